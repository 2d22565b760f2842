using PdEngine.Interop;

namespace PdEngine.Tests;

/// <summary>Random qkv rows, calls of pd_cpu_rotate_and_append on them, and what must come out.</summary>
internal sealed unsafe class AppendRun : IDisposable
{
    private const float Epsilon = 1e-6f;

    private readonly AttentionSetup _setup;
    private readonly (int Sequence, int Start, int Count)[] _slices;
    private readonly float[] _before;
    private readonly float[] _rope;
    private readonly float[]? _queryNorm;
    private readonly float[]? _keyNorm;

    public AppendRun(
        AttentionSetup setup, bool norms, int seed, params (int Sequence, int Start, int Count)[] slices)
    {
        _setup = setup;
        _slices = slices;
        AttentionSequence[] sequences = new AttentionSequence[slices.Max(slice => slice.Sequence) + 1];
        for (int i = 0; i < sequences.Length; i++)
            sequences[i] = new(setup, i, slices[i].Start + slices[i].Count);
        Store = new(setup, sequences);
        Random random = new(seed);
        Rows = Draw(random, slices.Sum(slice => slice.Count) * Stride);
        _before = [.. Rows];
        _queryNorm = norms ? Draw(random, setup.HeadDim) : null;
        _keyNorm = norms ? Draw(random, setup.HeadDim) : null;
        _rope = Draw(random, sequences.Max(sequence => sequence.Length) * (setup.HeadDim + 1));
    }

    public delegate void Spoil(ref AppendArgs args);

    public AttentionStore Store { get; }

    /// <summary>[token, Stride], turned in place by the calls.</summary>
    public float[] Rows { get; }

    private int Stride => ((_setup.Heads + (2 * _setup.KvHeads)) * _setup.HeadDim) + 3;

    /// <summary>One call with all slices.</summary>
    public void Append()
    {
        AttentionSlice[] slices = new AttentionSlice[_slices.Length];
        int token = 0;
        for (int i = 0; i < slices.Length; i++)
        {
            slices[i] = new(token, _slices[i].Count, _slices[i].Start, Store.FirstBlock(_slices[i].Sequence));
            token += _slices[i].Count;
        }
        Call(slices, firstRow: 0, token, spoil: null);
    }

    /// <summary>One call with a part of the first slice.</summary>
    public void Append(int first, int count, Spoil? spoil = null) =>
        Call([new(0, count, _slices[0].Start + first, Store.FirstBlock(0))], first, count, spoil);

    /// <summary>Queries are turned; all else in the rows is as it was.</summary>
    public void CheckQueries()
    {
        int row = 0;
        foreach ((int sequence, int start, int count) in _slices)
        {
            for (int i = 0; i < count; i++, row++)
            {
                for (int head = 0; head < _setup.Heads; head++)
                {
                    double[] expected = Turned(row, head, start + i, _queryNorm);
                    for (int dim = 0; dim < _setup.HeadDim; dim++)
                    {
                        float actual = Rows[(row * Stride) + (head * _setup.HeadDim) + dim];
                        Assert.That(
                            actual, Is.EqualTo(expected[dim]).Within(4e-6), $"sequence {sequence}, row {i}");
                    }
                }
                Range rest = ((row * Stride) + _setup.QueryColumns)..((row + 1) * Stride);
                Assert.That(Rows.AsSpan(rest).SequenceEqual(_before.AsSpan(rest)), "touched keys or values");
            }
        }
    }

    /// <summary>Slots of the batch hold the keys and values; every other element is still poison.</summary>
    public void CheckStore()
    {
        ushort[] left = Store.Elements.ToArray();
        int row = 0;
        foreach ((int sequence, int start, int count) in _slices)
        {
            for (int i = 0; i < count; i++, row++)
            {
                for (int head = 0; head < _setup.KvHeads; head++)
                    CheckSlot(left, sequence, row, start + i, head);
            }
        }
        int stray = left.AsSpan().IndexOfAnyExcept((ushort)0xffff);
        Assert.That(stray, Is.EqualTo(-1), "wrote outside its slots");
    }

    public void Dispose() => Store.Dispose();

    private void CheckSlot(ushort[] left, int sequence, int row, int position, int head)
    {
        double[] keys = Turned(row, _setup.Heads + head, position, _keyNorm);
        for (int dim = 0; dim < _setup.HeadDim; dim++)
        {
            long at = Store.IndexOf(sequence, 0, position, head, dim);
            double tolerance = (Math.Abs(keys[dim]) * (1.0 / 256)) + 4e-6;
            double key = AttentionSequence.FromBFloat16(left[at]);
            Assert.That(key, Is.EqualTo(keys[dim]).Within(tolerance));
            left[at] = 0xffff;
            at = Store.IndexOf(sequence, 1, position, head, dim);
            int column = ((_setup.Heads + _setup.KvHeads + head) * _setup.HeadDim) + dim;
            float value = _before[(row * Stride) + column];
            Assert.That(left[at], Is.EqualTo(AttentionSequence.ToBFloat16(value)));
            left[at] = 0xffff;
        }
    }

    private double[] Turned(int row, int head, int position, float[]? norm)
    {
        int dims = _setup.HeadDim, half = dims / 2;
        ReadOnlySpan<float> source = _before.AsSpan((row * Stride) + (head * dims), dims);
        double[] normed = new double[dims];
        double squares = 0;
        foreach (float x in source)
            squares += (double)x * x;
        double inverse = norm is null ? 1 : 1 / Math.Sqrt((squares / dims) + Epsilon);
        for (int dim = 0; dim < dims; dim++)
            normed[dim] = source[dim] * inverse * (norm is null ? 1 : norm[dim]);
        ReadOnlySpan<float> rope = _rope.AsSpan(position * (dims + 1), dims);
        double[] turned = new double[dims];
        for (int pair = 0; pair < half; pair++)
        {
            double cosine = rope[pair], sine = rope[half + pair];
            turned[pair] = (normed[pair] * cosine) - (normed[pair + half] * sine);
            turned[pair + half] = (normed[pair + half] * cosine) + (normed[pair] * sine);
        }
        return turned;
    }

    private void Call(AttentionSlice[] slices, int firstRow, int tokens, Spoil? spoil)
    {
        fixed (AttentionSlice* firstSlice = slices)
        fixed (int* blocks = Store.Blocks)
        fixed (float* rows = Rows, rope = _rope, queryNorm = _queryNorm, keyNorm = _keyNorm)
        {
            AppendArgs args = new()
            {
                Team = Store.Team, Qkv = rows + ((long)firstRow * Stride), Rope = rope, QNorm = queryNorm,
                KNorm = keyNorm, Store = Store.Layer, Slices = firstSlice, Blocks = blocks,
                QkvStride = Stride, RopeStride = _setup.HeadDim + 1, BlockBytes = Store.BlockElements * 2,
                SliceCount = slices.Length, TokenCount = tokens, Heads = _setup.Heads,
                KvHeads = _setup.KvHeads, HeadDim = _setup.HeadDim, PageSize = _setup.PageSize,
                Epsilon = Epsilon, Isa = _setup.Isa, FirstKvHead = _setup.HeadsBefore,
                StoreKvHeads = _setup.StoreKvHeads,
            };
            spoil?.Invoke(ref args);
            NativeCalls.ThrowIfFailed(CpuNative.pd_cpu_rotate_and_append(&args));
        }
    }

    private static float[] Draw(Random random, int count)
    {
        float[] values = new float[count];
        for (int i = 0; i < count; i++)
            values[i] = (float)((random.NextDouble() * 2) - 1);
        return values;
    }
}
