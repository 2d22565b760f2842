# Times PyTorch on the shapes that standard input names, a JSON object a line; writes one a line.
import json
import sys
import time

try:
    import torch
    import torch.nn.functional as functional
except ImportError as missing:
    print(json.dumps({"missing": str(missing)}))
    sys.exit(0)

CACHE_BYTES = 512 << 20
end = time.monotonic() + float(sys.argv[1])
device = torch.device("cuda", int(sys.argv[2]))
torch.cuda.set_device(device)
print(json.dumps({"torch": torch.__version__, "cuda": str(torch.version.cuda)}), flush=True)


def randn(*shape):
    return torch.randn(*shape, device=device, dtype=torch.bfloat16)


def timed(count, run):
    start, stop = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    start.record()
    run()
    stop.record()
    stop.synchronize()
    return start.elapsed_time(stop) * 1e3 / count


def median(call):
    def several(count):
        for i in range(count):
            call(i)

    several(3)
    once = timed(3, lambda: several(3))
    count = max(1, min(200, int(1e4 / max(once, 1.0))))
    graph = torch.cuda.CUDAGraph()
    torch.cuda.synchronize()
    try:
        with torch.cuda.graph(graph):
            several(count)
        run = graph.replay
        run()
    except RuntimeError:
        run = lambda: several(count)
    times = sorted(timed(count, run) for _ in range(5))
    return times[2]


def matmul(job):
    rows, columns, outputs = job["rows"], job["columns"], job["outputs"]
    sets = max(1, min(64, CACHE_BYTES // (columns * outputs * 2)))
    weights = [randn(outputs, columns) for _ in range(sets)]
    value = randn(rows, columns)
    return median(lambda i: functional.linear(value, weights[i % sets]))


def attention(job):
    heads, kv_heads, width = job["heads"], job["kv_heads"], job["head_dim"]
    batch, queries, keys = job["batch"], job["queries"], job["keys"]
    bytes_each = batch * keys * kv_heads * width * 4
    sets = max(1, min(32, CACHE_BYTES // bytes_each))
    query = randn(batch, heads, queries, width)
    pairs = [(randn(batch, kv_heads, keys, width), randn(batch, kv_heads, keys, width)) for _ in range(sets)]
    causal = queries > 1
    return median(lambda i: functional.scaled_dot_product_attention(
        query, pairs[i % sets][0], pairs[i % sets][1], is_causal=causal, enable_gqa=heads != kv_heads))


for line in sys.stdin:
    job = json.loads(line)
    if time.monotonic() > end:
        break
    try:
        with torch.no_grad():
            us = matmul(job) if job["kind"] == "matmul" else attention(job)
        print(json.dumps({"name": job["name"], "us": us}), flush=True)
    except RuntimeError as refused:
        print(json.dumps({"name": job["name"], "error": str(refused)[:200]}), flush=True)
        torch.cuda.empty_cache()
