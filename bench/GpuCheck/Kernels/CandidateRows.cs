using PdEngine.Interop;

namespace PdEngine.Bench;

/// <summary>What the candidate product takes, beside the engine's own choice and cuBLASLt.</summary>
internal sealed class CandidateRows(
    CheckRig rig, CheckJournal journal, CheckSettings settings, CeilingRows ceilings, Lazy<CublasPeer> cublas)
{
    // Its tiles have 128 rows: fewer would leave most of them empty.
    private static readonly int[] Batches = [128, 1024, 4096, 8192];

    public IEnumerable<CheckCase> Cases()
    {
        CheckModel model = settings.Scale.ProductModels[0];
        foreach ((string part, int columns, int outputs, int segments) in model.Products())
        {
            foreach (int rows in settings.Scale.IsToy ? [20] : Batches)
            {
                if (part == "head" && rows > Transformer.LogitsRowCapacity)
                    continue;
                string name = $"kernel/candidate wgmma {rows}x{columns}x{outputs}/{segments} {part}";
                CudaGemmShape shape = new(rows, outputs, columns, segments);
                yield return new(name, () => Row(name, part, shape));
            }
        }
    }

    private CheckRow Row(string name, string part, CudaGemmShape shape)
    {
        CheckRow row = new(name);
        using WgmmaCandidate candidate = new(rig, journal, settings);
        if (candidate.WhyNone(name) is { } why)
            return row.Missing($"the candidate is not timed: {why}");
        CudaGemmEpilogue epilogue = part switch
        {
            "o" or "down" => CudaGemmEpilogue.Add,
            "gate+up" => CudaGemmEpilogue.SwiGlu,
            _ => CudaGemmEpilogue.Store,
        };
        long weightBytes = 2L * shape.Columns * shape.Outputs;
        int sets = (int)Math.Clamp((settings.Scale.CacheBytes / weightBytes) + 1, 1, 64);
        using CandidateProduct product = new(rig, shape, epilogue, sets);
        CudaGemmPlan plan = product.Plan;
        double mma = rig.Seconds(call => product.LaunchPlan(plan, call)), best = double.MaxValue;
        foreach ((WgmmaTile tile, bool isSpread) in WgmmaCandidate.Ways(shape))
        {
            double seconds = rig.Seconds(
                call => product.LaunchCandidate(candidate, tile, isSpread, call));
            row.With($"{tile.Name}{(isSpread ? "_spread" : "")}_us", seconds * 1e6);
            best = Math.Min(best, seconds);
        }
        double flops = 2.0 * shape.Rows * shape.Columns * shape.Outputs;
        row.Noted($"beside {plan.Name}; no engine uses it").With("us", best * 1e6)
            .With("gemm_us", mma * 1e6).With("gemm_ratio", mma / best).With("tflops", flops / best / 1e12)
            .With("share_of_matmul", flops / best / ceilings.FlopsPerSecond);
        cublas.Value.AddTo(row, best, () => rig.Seconds(call => cublas.Value.Multiply(
            shape.Rows, shape.Columns, shape.Outputs, product.Input, product.Weight(call), product.Output)));
        return rig.Clocks.AddTo(row);
    }
}
