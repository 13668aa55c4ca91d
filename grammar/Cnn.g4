// The language's normal form: what a .cnn file may hold. Its meaning stands in docs/language.md, its checks in compiler/frontend.
// In: text.  Out: a parse tree, which compiler/frontend/Parse.cpp turns into the AST.
// Above each rule stands a line of .cnn that it accepts.
grammar Cnn;

// param width = 32   network n { input(1, 8, 8) flatten -> dense(2) -> softmax }
file : definition* EOF ;

// activation square(x) = x * x
definition : importFile | param | network | block | data | train | tune | activation | optimizer | schedule ;

// import "blocks.cnn"
importFile : 'import' STRING ;

// param width = 32
param : 'param' word '=' expression ;

// network lenet { input(1, 28, 28) flatten dense(10) -> softmax }
network : 'network' word layers ;

// block basic(filters, stride=1) { conv(filters, 3x3, stride=stride, pad=1) -> relu }
block : 'block' word parameters? layers ;

// (filters, stride=1)
parameters : '(' (parameter (',' parameter)* ','?)? ')' ;

// stride=1
parameter : word ('=' expression)? ;

// { conv(32, 3x3) -> relu }
layers : '{' pipeline* '}' ;

// conv(32, 3x3) -> batchnorm -> relu
pipeline : step ('->' step)* ;

// residual { conv(16, 3x3, pad=1) -> relu }
step : layer | residual | gate | branch | repeat | forEach | choice | let ;

// stem: conv(32, 3x3, pad=same)
layer : (word ':')? kind=(IDENTIFIER | 'load') arguments? ;

// residual { conv(16, 3x3, pad=1) } shortcut if in.channels != 16 { conv(16, 1x1) }
residual : 'residual' layers shortcut? ;

// shortcut if stride != 1 { conv(16, 1x1, stride=stride) }
shortcut : 'shortcut' ('if' expression)? layers ;

// gate { global_avgpool -> dense(in.channels // 16) -> relu -> dense(in.channels) -> sigmoid }
gate : 'gate' layers ;

// branch concat { { conv(8, 1x1) } { maxpool(3x3, stride=1, pad=1) } }
branch : 'branch' IDENTIFIER '{' layers* '}' ;

// repeat 3 { basic(16) }
repeat : 'repeat' expression layers ;

// for filters in [32, 64] { basic(filters, stride=2) }
forEach : 'for' word 'in' expression layers ;

// if width > 32 { dropout(0.5) } else if width > 16 { dropout(0.25) } else { relu }
choice : 'if' expression layers ('else' 'if' expression layers)* ('else' layers)? ;

// let skip = it
let : 'let' word '=' expression ;

// data { root = "images"  train = folder("train")  augment { hflip -> shift(2) } }
data : 'data' '{' entry* '}' ;

// train { epochs = 10  optimizer = sgd(lr=0.05, momentum=0.9) }
train : 'train' '{' entry* '}' ;

// tune { lr = log_uniform(1e-3, 1)  metric = maximize(test.accuracy)  trials = 20 }
tune : 'tune' '{' entry* '}' ;

// epochs = 10  load "stem.safetensors" for stem
entry : word '=' expression | word layers | 'load' expression ('for' path)? ;

// basic1.conv1
path : word ('.' word)* ;

// activation leaky_relu(x, slope=0.01) = x if x > 0 else slope * x
activation : 'activation' word parameters '=' expression ;

// schedule exponential(gamma) = pow(gamma, epoch)
schedule : 'schedule' word parameters? '=' expression ;

// optimizer plain(lr) { param = param - lr * grad }
optimizer : 'optimizer' word parameters '{' update* '}' ;

// state v = 0
update : 'state' word '=' expression | word '=' expression ;

// g + momentum * v if nesterov else v
expression
  : '-' expression                                              # Negate
  | expression op=('*' | '/' | '//' | '%') expression           # Binary
  | expression op=('+' | '-') expression                        # Binary
  | expression op=('<' | '<=' | '>' | '>=' | '==' | '!=') expression # Binary
  | 'not' expression                                            # Not
  | expression op='and' expression                              # Binary
  | expression op='or' expression                               # Binary
  | <assoc=right> expression 'if' expression 'else' expression  # Select
  | NUMBER                                                      # Number
  | SIZE                                                        # Size
  | STRING                                                      # String
  | value=('true' | 'false')                                    # Bool
  | 'in' '.' word                                               # InputShape
  | word arguments                                              # Call
  | path                                                        # Name
  | '[' (expression (',' expression)* ','?)? ']'                # List
  | arguments                                                   # Tuple
  ;

// (32, 3x3, pad=same)
arguments : '(' (argument (',' argument)* ','?)? ')' ;

// pad=same
argument : (word '=')? expression ;

// width: words of the language are keywords only where they have a meaning
word
  : IDENTIFIER | 'import' | 'param' | 'network' | 'block' | 'data' | 'train' | 'tune' | 'activation' | 'optimizer' | 'schedule'
  | 'load' | 'state' | 'residual' | 'shortcut' | 'gate' | 'branch' | 'repeat' | 'let' | 'for'
  ;

// 3x5, height x width
SIZE : [0-9]+ 'x' [0-9]+ ;
// 32, 0.25, 5e-4
NUMBER : ([0-9]+ ('.' [0-9]+)? | '.' [0-9]+) ([eE] [+-]? [0-9]+)? ;
// "train-images-idx3-ubyte.gz"
STRING : '"' (~["\\\r\n] | '\\' ~[\r\n])* '"' ;
// residual_2
IDENTIFIER : [A-Za-z_] [A-Za-z0-9_]* ;
// # to the end of the line
COMMENT : '#' ~[\r\n]* -> skip ;
SPACE : [ \t\r\n]+ -> skip ;
// What no rule accepts: reported with its position before parsing.
UNCLOSED_STRING : '"' (~["\\\r\n] | '\\' ~[\r\n])* ;
UNKNOWN : . ;
