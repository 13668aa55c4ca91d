"""Hostile sources, one after the other. In: the compiler.  Out: status 1 if one is not answered with 0 or 1 in 10 s and 1 GiB."""
import random
import resource
import subprocess
import sys
import tempfile

SECONDS, BYTES = 10, 1 << 30  # reliability: any input of up to 64 KiB
net = "network n { input(3,32,32) %s dense(10) -> softmax }\n"
failures = []
resource.setrlimit(resource.RLIMIT_DATA, (2 * BYTES, 2 * BYTES))


def W(name, source):
    with tempfile.NamedTemporaryFile(suffix=".cnn") as f:
        f.write(source if isinstance(source, bytes) else source.encode())
        f.flush()
        try:
            done = subprocess.run([sys.argv[1], "check", f.name], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=SECONDS)
        except subprocess.TimeoutExpired:
            failures.append(name + ": too slow")
            return
    if done.returncode not in (0, 1) or (done.returncode == 1 and b"error[E" not in done.stderr):
        failures.append(f"{name}: status {done.returncode} {done.stderr[:200]!r}")


W('empty','')
W('noise',bytes(random.Random(1).randbytes(65536)))
W('noise2',bytes(random.Random(2).choice(b'(){}[],=->abcx0123456789 \n"#if else') for _ in range(65536)))
W('parens','param a = '+'('*65000)
W('parens2','param a = '+'('*250+'1'+')'*250+net%'')
W('minus','param a = '+'- '*32000+'1')
W('not','param a = '+'not '*16000+'true')
W('plus','param a = '+'1+'*32000+'1\n')
W('tern','param a = '+'1 if true else '*400+'1\n'+net%'')
W('tern2','param a = '+'1 if '*400+'1\n'+net%'')
W('ternmany','\n'.join('param a%d = '%i+'1 if true else '*100+'1' for i in range(40))+net%'')
W('nestexp','param a = '+('(1 if true else '*200)+'1'+')'*200+net%'')
W('listnest','param a = '+('['*250)+'1'+']'*250+net%'')
W('callnest','param a = '+('f(a=(1,'*120)+'1'+'))'*120+net%'')
W('repeatbomb',net%('repeat 1000 { '*50+'relu'+'}'*50))
W('repeatempty',net%('repeat 1000000 { '*50+'}'*50))
W('repeatbad',net%('repeat 1000000 { nosuch }'))
W('layers',net%('relu '*10100))
W('bomb','block b0() { relu }\n'+''.join('block b%d() { b%d b%d }\n'%(i,i-1,i-1) for i in range(1,60))+net%'b59')
W('bombbad','block b0() { nosuch }\n'+''.join('block b%d() { b%d b%d }\n'%(i,i-1,i-1) for i in range(1,60))+net%'b59')
W('bombempty','block b0() { }\n'+''.join('block b%d() { b%d b%d }\n'%(i,i-1,i-1) for i in range(1,60))+net%'b59')
W('listbomb','param a0=[1,2]\n'+''.join('param a%d=a%d+a%d\n'%(i,i-1,i-1) for i in range(1,60))+net%'')
W('listbomb2','param a0=[1,2]\n'+''.join('param a%d=[a%d,a%d]\n'%(i,i-1,i-1) for i in range(1,60))+net%'')
W('strbomb','param a0="abcdefgh"\n'+''.join('param a%d=a%d+a%d\n'%(i,i-1,i-1) for i in range(1,60))+net%'')
W('actbomb','activation f0(x)=x*x+x\n'+''.join('activation f%d(x)=f%d(f%d(x))\n'%(i,i-1,i-1) for i in range(1,60))+net%'f59')
W('actbomb2','activation f(x)=x*x+x\nactivation g(x) = '+'f('*200+'x'+')'*200+'\n'+net%'g')
W('soup',' '.join(random.Random(3).choice('network block { } ( ) -> conv x if else for in [ ] 3x3 = , let param residual shortcut branch'.split()) for _ in range(12000)))
W('soup2','network n { '+' '.join(random.Random(4).choice('conv relu -> x: if let = it else 3 1 a'.split()) for _ in range(20000))+'}')
W('soup3','param a = '+' '.join(random.Random(5).choice('a if else 3 and not'.split()) for _ in range(450)))
W('unknowns',net%' '.join('aa%d'%i for i in range(8000)))
W('braces','{'*65000)
W('manyblocks',''.join('block b%d { b%d }\n'%(i,i+1) for i in range(3000))+'block b3000 { relu }'+net%'b0')
W('huge','# '+'x'*(1<<20))
W('longline',net%('relu -> '*6000+'conv(3,3x3,pa=1)'))
W('bigmap','network n { input(16777216,16777216,16777216) dense(10) -> softmax }')
W('bigdense','network n { input(3,512,512) dense(16777216) -> dense(16777216) -> softmax }')
W('num','param a = 1e999\nparam b = '+'9'*500+'\n'+net%'')
W('conds','network n { input(3,32,32) '+'let k = 3 if k > 2 { relu } '*2000+'}')
W('crlf','network n {\r\n\tinput(3,32,32)\r\n\tconv(3, 99x99) -> softmax }\r\n')
W('utf8','network n { input(3,32,32) # ünï → \n "ü→" conv(3, 3x3) é softmax }')
W('utf82','param s = "ü→ß" + 3 param t = 1 network n { input(3,32,32) softmax }')
W('nul',b'network n {\0}')
W('ifchain',net%('if true { relu } '+'else if true { relu } '*2500))
W('sizes','network n { input(3,32,32) conv(9999999999999999999999x9, 3x99999999999) softmax }')
W('stray','network n { input(3,32,32); conv(3, 3x3) \' } ')
W('unclosed','network n { input(3,32,32) conv(3, 3x3 \n softmax }\nparam a = "abc\n')
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
if peak > BYTES:
    failures.append(f"peak memory {peak}")
sys.exit("\n".join(failures) or 0)
