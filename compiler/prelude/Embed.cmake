# A text file -> a C++ file that defines NAME with it.
file(READ ${IN} text)
get_filename_component(from ${IN} NAME)
file(WRITE ${OUT} "// Made from ${from}.\nextern const char ${NAME}[];\nconst char ${NAME}[] = R\"text(${text})text\";\n")
