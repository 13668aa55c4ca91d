" Colours for .cnn files, the language of the cnnc compiler.
if exists("b:current_syntax")
  finish
endif
syn keyword cnnDefinition activation block data import network optimizer param schedule train tune
syn keyword cnnControl and branch else for gate if in let load not or repeat residual shortcut state
syn keyword cnnLayer adaptive_avgpool add avgpool batchnorm concat conv dense depthwise drop_path dropout flatten global_avgpool global_maxpool groupnorm input layer_scale layernorm lrn maxpool prelu softmax
syn keyword cnnActivation elu gelu hardswish leaky_relu logit mish relu relu6 selu sigmoid silu softplus step tanh
syn keyword cnnTrain adadelta adagrad adam adamw constant cosine exponential lamb lars lion multistep nadam one_cycle polynomial rmsprop sgd warmup
syn keyword cnnConstant true false same narrow valid wide full auto it pi
syn match cnnNumber "\<\d\+\(\.\d\+\)\?\([eE][+-]\?\d\+\)\?\>"
syn match cnnSize "\<\d\+x\d\+\>"
syn match cnnOperator "->\|//\|[-+*/%<>=!]=\?"
syn match cnnLabel "\<\h\w*\ze\s*:"
syn region cnnString start=+"+ skip=+\\.+ end=+"+ oneline
syn match cnnComment "#.*$"
hi def link cnnDefinition Keyword
hi def link cnnControl Conditional
hi def link cnnLayer Function
hi def link cnnActivation Type
hi def link cnnTrain Type
hi def link cnnConstant Constant
hi def link cnnNumber Number
hi def link cnnSize Number
hi def link cnnOperator Operator
hi def link cnnLabel Label
hi def link cnnString String
hi def link cnnComment Comment
setlocal commentstring=#\ %s
let b:current_syntax = "cnn"
