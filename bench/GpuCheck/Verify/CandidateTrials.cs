using System.Runtime.InteropServices;
using PdEngine.Interop;

namespace PdEngine.Bench;

/// <summary>
/// Whether the candidate product has the bits of the engine's: the question that decides whether wgmma may be
/// used at all. Either answer is a fine row; outputs further off than by rounding are a failed one.
/// </summary>
internal sealed class CandidateTrials(CheckRig rig, CheckJournal journal, CheckSettings settings)
{
    private const string Question = "candidate wgmma gemm: bitwise equal to gemm";
    private const double Tolerance = 1e-3;

    // Powers of two that values of a wide range are apart by, so that what is shifted out of a sum shows.
    private const int WideBits = 24;

    public IEnumerable<CheckCase> Cases()
    {
        foreach ((int rows, int columns, int outputs, int segments) in Shapes())
        {
            foreach (bool isWide in (bool[])[false, true])
            {
                string name = $"{WgmmaCandidate.VerifyPrefix} gemm {rows}x{columns}x{outputs}/{segments}"
                    + (isWide ? " of a wide range" : "");
                CudaGemmShape shape = new(rows, outputs, columns, segments);
                yield return new(name, () => Compare(name, shape, isWide));
            }
        }
    }

    // Tiles that are whole, and rows, outputs, columns and segments that end within one.
    private (int Rows, int Columns, int Outputs, int Segments)[] Shapes() => rig.Settings.Scale.IsToy
        ? [(20, 72, 40, 1), (3, 96, 33, 4)]
        :
        [
            (128, 64, 256, 1), (64, 4096, 6144, 1), (1024, 4096, 4096, 4), (257, 14_336, 4096, 4),
            (300, 4120, 1000, 1), (130, 2064, 1000, 2), (2048, 4096, 6144, 1),
        ];

    private CheckRow Compare(string name, CudaGemmShape shape, bool isWide)
    {
        CheckRow row = new(name);
        using WgmmaCandidate candidate = new(rig, journal, settings);
        if (candidate.WhyNone(name) is { } why)
            return row.Missing($"{Question}: not asked, {why}");
        using CandidateProduct product = new(rig, shape, CudaGemmEpilogue.Store);
        if (isWide)
        {
            Upload(product.Input, shape.Rows * shape.Columns, seed: 1);
            Upload(product.Weight(0), shape.Outputs * shape.Columns, seed: 2);
        }
        float[] expected = Run(product, shape, () => product.LaunchPlan(product.Plan, 0));
        return Judged(row, expected, WgmmaCandidate.Ways(shape).Select(way => (
            $"{way.Tile.Name}{(way.IsSpread ? " spread" : "")}",
            Run(product, shape, () => product.LaunchCandidate(candidate, way.Tile, way.IsSpread, 0)))));
    }

    /// <summary>The row with what came out in each way.</summary>
    internal static CheckRow Judged(
        CheckRow row, float[] expected, IEnumerable<(string Way, float[] Actual)> outcomes)
    {
        string? other = null;
        long compared = 0, differing = 0;
        double error = 0;
        bool isRight = true;
        foreach ((string way, float[] actual) in outcomes)
        {
            Difference bits = Difference.Exact(actual, expected);
            compared += bits.Count;
            if (bits.IsFine)
                continue;
            Difference near = Difference.Near(actual, expected, Tolerance);
            differing += (long)bits.Error;
            error = near.Error <= error ? error : near.Error;
            // What is wrong says more than what is rounded otherwise.
            if (other is null || (isRight && !near.IsFine))
                other = (near.IsFine ? bits : near).Text(way, seed: 0);
            isRight &= near.IsFine;
        }
        row.With("compared", compared).With("bitwise_equal", other is null ? 1 : 0)
            .With("differing", differing).With("error", error);
        if (other is null)
            return row.Noted($"{Question}: yes");
        return isRight
            ? row.Noted($"{Question}: no: {other}")
            : row.Failed($"{Question}: no, and wrong, not only rounded: {other}");
    }

    private float[] Run(CandidateProduct product, CudaGemmShape shape, Action launch)
    {
        float[] outputs = new float[shape.Rows * shape.Outputs];
        Span<byte> bytes = MemoryMarshal.AsBytes(outputs.AsSpan());
        rig.Gpu.Run(() => rig.Stream.Fill(product.Output, 0xff, outputs.Length * sizeof(float)));
        rig.Gpu.Run(launch);
        rig.Gpu.Download(product.Output, bytes);
        return outputs;
    }

    private void Upload(ulong target, int count, int seed)
    {
        const int mantissaAndSign = 0x807f, middle = 127 - (WideBits / 2);
        ushort[] values = new ushort[count];
        ulong state = (ulong)seed << 32;
        for (int i = 0; i < count; i++)
        {
            state += 0x9E3779B97F4A7C15;
            ulong bits = (state ^ (state >> 30)) * 0xBF58476D1CE4E5B9;
            bits ^= bits >> 27;
            int exponent = middle + (int)((bits >> 20) % WideBits);
            values[i] = (ushort)(((int)(bits >> 40) & mantissaAndSign) | (exponent << 7));
        }
        rig.Gpu.Upload(target, MemoryMarshal.AsBytes(values.AsSpan()));
    }
}
