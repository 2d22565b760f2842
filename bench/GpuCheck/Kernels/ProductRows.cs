using PdEngine.Interop;

namespace PdEngine.Bench;

/// <summary>
/// Our products of real models in every tile, so that the choice of tile can be made by figures, beside
/// cuBLASLt's and PyTorch's.
/// </summary>
internal sealed class ProductRows(
    CheckRig rig, CeilingRows ceilings, TorchPeer peer, Lazy<CublasPeer> cublas)
{
    // Taller ones would take the lowest tile longer than they say.
    private const int MostRowsOfLowest = 256;

    private static readonly int[] Batches = [1, 8, 16, 32, 64, 128, 256, 1024, 4096, 8192];

    private CheckScale Scale => rig.Settings.Scale;

    public IEnumerable<CheckCase> Cases()
    {
        List<CheckCase> cases = [];
        HashSet<string> met = [];
        foreach (CheckModel model in Scale.ProductModels)
        {
            foreach ((string part, int columns, int outputs, int segments) in model.Products())
            {
                foreach (int rows in Scale.IsToy ? [1, 20] : Batches)
                {
                    // The head computes at most so many rows at once.
                    if (part == "head" && rows > Transformer.LogitsRowCapacity)
                        continue;
                    string name = $"kernel/matmul {rows}x{columns}x{outputs}/{segments} {part}";
                    if (!met.Add(name))
                        continue;
                    peer.AddMatMul(rows, columns, outputs);
                    cases.Add(new(name, () => Row(name, part, rows, columns, outputs, segments)));
                }
            }
        }
        return cases;
    }

    private CheckRow Row(string name, string part, int rows, int columns, int outputs, int segments)
    {
        CudaGemmEpilogue epilogue = part switch
        {
            "o" or "down" => CudaGemmEpilogue.Add,
            "gate+up" => CudaGemmEpilogue.SwiGlu,
            _ => CudaGemmEpilogue.Store,
        };
        long weightBytes = 2L * columns * outputs;
        int sets = (int)Math.Clamp(Scale.CacheBytes / weightBytes + 1, 1, 64);
        using CheckMemory memory = new(rig);
        CheckProduct product = new(rig, segments)
        {
            Input = memory.Halves((long)rows * columns), Weight = memory.Halves(sets * weightBytes / 2),
            Output = memory.Halves(2L * rows * outputs), Columns = columns, Outputs = outputs,
            Memory = memory,
        };
        CheckRow row = new(name);
        int chosen = product.Chosen(rows);
        double own = 0, best = double.MaxValue;
        for (int way = 0; way < CheckProduct.Ways; way++)
        {
            int taken = way;
            if (!product.Fits(way, rows) || (way == 0 && rows > MostRowsOfLowest))
                continue;
            double seconds = rig.Seconds(call => product.Launch(
                taken, 0, rows, epilogue, product.Weight + ((ulong)(call % sets) * (ulong)weightBytes)));
            row.With($"{product.NameOf(way)}_us", seconds * 1e6);
            own = way == chosen ? seconds : own;
            best = Math.Min(best, seconds);
        }
        double flops = 2.0 * rows * columns * outputs;
        double bytes = weightBytes + (2.0 * rows * columns)
            + (rows * (double)outputs * (epilogue == CudaGemmEpilogue.Add ? 8 : 4));
        row.Noted($"takes {product.NameOf(chosen)}").With("us", own * 1e6)
            .With("over_best_tile", own / best).With("tflops", flops / own / 1e12)
            .With("gb_per_second", bytes / own / 1e9)
            .With("share_of_copy", bytes / own / ceilings.BytesPerSecond)
            .With("share_of_matmul", flops / own / ceilings.FlopsPerSecond);
        cublas.Value.AddTo(row, own, () => rig.Seconds(call => cublas.Value.Multiply(
            rows, columns, outputs, product.Input,
            product.Weight + ((ulong)(call % sets) * (ulong)weightBytes), product.Output)));
        return rig.Clocks.AddTo(peer.AddTo(row, TorchPeer.NameOf(rows, columns, outputs), own));
    }
}
