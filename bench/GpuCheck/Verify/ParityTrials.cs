using System.Runtime.InteropServices;
using PdEngine.Interop;

namespace PdEngine.Bench;

/// <summary>
/// The contract on the device itself: a row's bits are the same in prefill and in decode, in any chunk, at
/// any place of any batch, in any tile, with graphs or without. That a tile of keys which a row does not see
/// leaves its bits is part of it: chunks begin where tiles of rows reach over the end of a tile of keys.
/// </summary>
internal sealed class ParityTrials(CheckRig rig)
{
    /// <summary>Positions at the end of each sequence that decode.</summary>
    private const int Tail = 40;

    private CheckScale Scale => rig.Settings.Scale;

    public IEnumerable<CheckCase> Cases()
    {
        foreach (int window in (int[])[0, Scale.ParityContexts.Max() / 2])
        {
            string suffix = window > 0 ? $" window {window}" : "";
            yield return new($"verify/parity chunks{suffix}", () => Chunks(
                $"verify/parity chunks{suffix}", window));
            foreach (bool usesGraphs in (bool[])[false, true])
            {
                string name = $"verify/parity decode{suffix}{(usesGraphs ? " graphs" : "")}";
                yield return new(name, () => Decode(name, window, usesGraphs));
            }
        }
        yield return new("verify/parity plans", Plans);
        foreach (int segments in (int[])[1, 2, 4])
        {
            yield return new(
                $"verify/parity product {segments} segments", () => Products(segments));
        }
    }

    /// <summary>Chunks of a prompt, cut where tiles of rows, keys and splits are not.</summary>
    private CheckRow Chunks(string name, int window)
    {
        const int seed = 11;
        using CheckSide side = new(rig.Backend);
        int[] lengths = [.. Scale.ParityContexts];
        CheckSequences sequences = new(
            side, Scale.ParityHeads, lengths, lengths.Max(), window, seed);
        long compared = 0;
        for (int i = 0; i < lengths.Length; i++)
        {
            float[] whole = sequences.Run((i, 0, lengths[i]));
            foreach (int chunk in (int[])[7, 61, 64, 100, 1000])
            {
                int start = Math.Max(0, lengths[i] - chunk);
                float[] part = sequences.Run((i, start, lengths[i] - start));
                Difference off = Difference.Exact(part, whole.AsSpan(whole.Length - part.Length));
                if (!off.IsFine)
                    return off.Row($"{name}: length {lengths[i]}, last {chunk}", seed);
                compared += off.Count;
            }
        }
        return new CheckRow(name).With("compared", compared);
    }

    /// <summary>Batches of decode rows against the same positions of whole prompts.</summary>
    private CheckRow Decode(string name, int window, bool usesGraphs)
    {
        const int seed = 12;
        using CheckSide side = new(usesGraphs ? rig.Graphed : rig.Backend);
        int[] lengths = [.. Scale.ParityContexts];
        int most = Math.Max(lengths.Max(), Scale.ParityBatches.Max());
        CheckSequences sequences = new(side, Scale.ParityHeads, lengths, most, window, seed);
        int columns = Scale.ParityHeads.QueryColumns;
        float[][] tails = new float[lengths.Length][];
        for (int i = 0; i < lengths.Length; i++)
            tails[i] = sequences.Run((i, 0, lengths[i])).AsSpan()[^(Math.Min(Tail, lengths[i]) * columns)..]
                .ToArray();
        long compared = 0;
        foreach (int batch in Scale.ParityBatches)
        {
            // Another row first each time; of graphs, of which each half of a step's memory has its own, a
            // first launch, a capture and a replay.
            for (int turn = 0; turn < (usesGraphs ? 6 : 3); turn++)
            {
                (int Sequence, int Position)[] rows = Rows(lengths, batch, usesGraphs ? 0 : turn);
                float[] actual = sequences.Run([.. rows.Select(row => (row.Sequence, row.Position, 1))]);
                float[] expected = new float[actual.Length];
                for (int row = 0; row < batch; row++)
                {
                    (int sequence, int position) = rows[row];
                    int at = tails[sequence].Length - ((lengths[sequence] - position) * columns);
                    tails[sequence].AsSpan(at, columns).CopyTo(expected.AsSpan(row * columns));
                }
                Difference off = Difference.Exact(actual, expected);
                if (!off.IsFine)
                {
                    (int sequence, int position) = rows[off.At / columns];
                    return off.Row(
                        $"{name}: batch {batch}, turn {turn}, row {off.At / columns} (position {position} of "
                        + $"sequence {sequence}), column {off.At % columns}", seed);
                }
                compared += off.Count;
            }
        }
        return new CheckRow(name).With("compared", compared);
    }

    /// <summary>However the splits of a row are dealt out to blocks of threads.</summary>
    private CheckRow Plans()
    {
        const string name = "verify/parity plans";
        AttentionShape shape = rig.Settings.Scale.ParityHeads;
        KvLayout layout = KvLayout.GroupedQuery(
            1, 16, shape.KvHeadCount, shape.HeadDim, KvElement.BFloat16);
        int[] lengths = [.. Scale.ParityContexts.Append(Scale.ParityContexts.Max() + 1500)];
        int count = lengths.Sum(layout.BlocksFor);
        using CheckMemory memory = new(rig);
        using CudaKvStore store = (CudaKvStore)rig.Backend.CreateKvStore(layout, count);
        memory.Fill(store.Pool.First, layout.BlockBytes * count);
        AttentionBatch batch = new();
        for (int i = 0, first = 0; i < lengths.Length; first += layout.BlocksFor(lengths[i]), i++)
        {
            batch.Add(
                i, lengths[i] - 1, 1, [.. Enumerable.Range(first, layout.BlocksFor(lengths[i]))]);
        }
        ulong qkv = memory.Halves(lengths.Length * (long)shape.QkvColumns * 2);
        int outputs = lengths.Length * shape.QueryColumns;
        ulong output = memory.Take(outputs * 2L);
        PlannedAttention planned = new(rig, memory, shape, store, batch);
        float[]? whole = null;
        long compared = 0;
        for (int splits = 0; splits < planned.MostSplits; splits++)
        {
            Action<int> plan = planned.Plan(qkv, shape.QkvColumns, output, shape.QueryColumns, splits);
            rig.Gpu.Run(() => rig.Stream.Fill(output, 0xff, outputs * 2L));
            rig.Gpu.Run(() => plan(0));
            float[] actual = Halves(output, outputs);
            Difference off = Difference.Exact(actual, whole ??= actual);
            if (!off.IsFine)
                return off.Row($"{name}: {splits} splits to a unit", seed: 0);
            compared += off.Count;
        }
        return new CheckRow(name).With("compared", compared);
    }

    private float[] Halves(ulong address, int count)
    {
        ushort[] halves = new ushort[count];
        rig.Gpu.Download(address, MemoryMarshal.AsBytes(halves.AsSpan()));
        return Array.ConvertAll(halves, half => BitConverter.UInt32BitsToSingle((uint)half << 16));
    }

    /// <summary>Sequences by turns, and further back each time round.</summary>
    private static (int Sequence, int Position)[] Rows(int[] lengths, int batch, int turn)
    {
        (int, int)[] rows = new (int, int)[batch];
        for (int row = 0; row < batch; row++)
        {
            int at = (row + (turn * ((batch / 2) + 1))) % batch;
            int sequence = at % lengths.Length;
            int back = at / lengths.Length % Math.Min(Tail, lengths[sequence]);
            rows[row] = (sequence, lengths[sequence] - 1 - back);
        }
        return rows;
    }

    /// <summary>Every tile height and batch against the lowest tile over all rows.</summary>
    private CheckRow Products(int segments)
    {
        string name = $"verify/parity product {segments} segments";
        (int rows, int columns, int outputs) = Scale.ProductParity;
        using CheckMemory memory = new(rig);
        CheckProduct product = new(rig, segments)
        {
            Input = memory.Halves((long)rows * columns), Weight = memory.Halves((long)outputs * columns),
            Output = memory.Take((long)rows * outputs * sizeof(float)), Columns = columns, Outputs = outputs,
            Memory = memory,
        };
        float[] alone = Run(product, 0, 0, rows);
        long compared = 0;
        foreach (int batch in Scale.ParityBatches.Append(rows).Where(batch => batch <= rows))
        {
            for (int way = 0; way < CheckProduct.Ways; way++)
            {
                if (!product.Fits(way, batch))
                    continue;
                foreach (int first in (int[])[0, (rows - batch) / 2, rows - batch])
                {
                    float[] actual = Run(product, way, first, batch);
                    Difference off = Difference.Exact(actual, alone.AsSpan(first * outputs, actual.Length));
                    if (!off.IsFine)
                    {
                        return off.Row(
                            $"{name}: {product.NameOf(way)}, rows {first} to {first + batch} of "
                            + $"{rows}x{columns}x{outputs}", seed: 0);
                    }
                    compared += off.Count;
                }
            }
        }
        return new CheckRow(name).With("compared", compared);
    }

    private float[] Run(CheckProduct product, int way, int firstRow, int rows)
    {
        float[] outputs = new float[rows * product.Outputs];
        Span<byte> bytes = MemoryMarshal.AsBytes(outputs.AsSpan());
        rig.Gpu.Run(() => rig.Stream.Fill(product.Output, 0xff, outputs.Length * sizeof(float)));
        rig.Gpu.Run(() => product.Launch(way, firstRow, rows, CudaGemmEpilogue.Store));
        rig.Gpu.Download(product.Output, bytes);
        return outputs;
    }
}
