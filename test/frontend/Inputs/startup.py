"""In: CNNC, a network.  Out: status 1 where its check, or its table, takes too long or loads too much."""
import resource
import subprocess
import sys

RUNS = 9
MOST_SECONDS = 0.05  # of the processor, which other work on the machine hardly changes; on its own core the wall clock shows the same


def seconds(command):
    def spent():
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        return used.ru_utime + used.ru_stime

    before = spent()
    subprocess.run(command, check=True, capture_output=True)
    return spent() - before


cnnc, network = sys.argv[1:]
libraries = subprocess.run(["ldd", cnnc], check=True, capture_output=True, text=True).stdout
wrong = [line.strip() for line in libraries.splitlines() if "libMLIR" in line or "libLLVM" in line]
for mode in ("check", "show"):
    least = min(seconds([cnnc, mode, network]) for _ in range(RUNS))
    if least > MOST_SECONDS:
        wrong.append(f"cnnc {mode}: {1000 * least:.0f} ms")
print("\n".join(wrong))
sys.exit(bool(wrong))
