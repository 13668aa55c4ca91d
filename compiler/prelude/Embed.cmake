# prelude.cnn -> a C++ file with its text.
file(READ ${IN} text)
file(WRITE ${OUT} "// Made from prelude.cnn.\nextern const char preludeText[];\nconst char preludeText[] = R\"prelude(${text})prelude\";\n")
