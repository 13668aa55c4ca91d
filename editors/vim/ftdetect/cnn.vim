au BufRead,BufNewFile *.cnn setfiletype cnn
