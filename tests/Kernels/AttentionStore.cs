using System.Runtime.InteropServices;
using PdEngine.Interop;

namespace PdEngine.Tests;

/// <summary>Queries [Start, Start + Count) of a sequence of a store.</summary>
internal readonly record struct AttentionAsk(int Sequence, int Start, int Count);

/// <summary>
/// A paged store of the C ABI and calls on it. Blocks are handed out in shuffled order, every element that
/// was not written is NaN, and a block holds a foreign layer before the one in use.
/// </summary>
internal sealed unsafe class AttentionStore : IDisposable
{
    private const ushort Poison = 0xffff;

    private readonly AttentionSetup _setup;
    private readonly AttentionSequence[] _sequences;
    private readonly int[] _written;
    private readonly int[] _firstBlocks;
    private readonly int[] _blocks;
    private readonly ushort* _memory;
    private readonly CpuTeam _team;

    public AttentionStore(AttentionSetup setup, params AttentionSequence[] sequences)
        : this(setup, CpuTeam.Create(setup.Threads), sequences)
    {
    }

    /// <summary>Its calls go to this team, which it owns.</summary>
    public AttentionStore(AttentionSetup setup, CpuTeam team, params AttentionSequence[] sequences)
    {
        _team = team;
        _setup = setup;
        _sequences = sequences;
        _written = new int[sequences.Length];
        _firstBlocks = new int[sequences.Length];
        int count = 0;
        for (int i = 0; i < sequences.Length; i++)
        {
            _firstBlocks[i] = count;
            count += (sequences[i].Length + setup.PageSize - 1) / setup.PageSize;
        }
        _blocks = Enumerable.Range(0, count + 3).ToArray();
        new Random(count).Shuffle(_blocks);
        BlockElements = 4L * setup.StoreKvHeads * setup.HeadElements;
        long elements = BlockElements * _blocks.Length;
        _memory = (ushort*)NativeMemory.AlignedAlloc((nuint)(elements * 2), 64);
        new Span<ushort>(_memory, checked((int)elements)).Fill(Poison);
    }

    /// <summary>Elements of a block, its foreign layer included.</summary>
    public long BlockElements { get; }

    public nint Team => _team.Address;

    public byte* Layer => (byte*)(_memory + (BlockElements / 2));

    public ReadOnlySpan<int> Blocks => _blocks;

    public int FirstBlock(int sequence) => _firstBlocks[sequence];

    /// <summary>All elements of the store.</summary>
    public ReadOnlySpan<ushort> Elements => new(_memory, checked((int)(BlockElements * _blocks.Length)));

    /// <summary>Index in <see cref="Elements"/> of a K (plane 0) or V (plane 1) element.</summary>
    public long IndexOf(int sequence, int plane, int position, int head, int dim)
    {
        long block = _blocks[_firstBlocks[sequence] + (position / _setup.PageSize)];
        int slot = position % _setup.PageSize;
        int inHead = plane == 0 ? _setup.KeyIndex(slot, dim) : _setup.ValueIndex(slot, dim);
        return (block * BlockElements) + (BlockElements / 2)
            + (((plane * (long)_setup.StoreKvHeads) + _setup.HeadsBefore + head) * _setup.HeadElements)
            + inHead;
    }

    /// <summary>Writes positions up to <paramref name="end"/> of a sequence; later ones stay NaN.</summary>
    public void Write(int sequence, int end)
    {
        AttentionSequence source = _sequences[sequence];
        for (int position = _written[sequence]; position < end; position++)
        {
            for (int column = 0; column < _setup.KvColumns; column++)
            {
                int head = column / _setup.HeadDim, dim = column % _setup.HeadDim;
                int at = (position * _setup.KvColumns) + column;
                long key = IndexOf(sequence, 0, position, head, dim);
                long value = IndexOf(sequence, 1, position, head, dim);
                _memory[key] = AttentionSequence.ToBFloat16(source.Keys[at]);
                _memory[value] = AttentionSequence.ToBFloat16(source.Values[at]);
            }
        }
        _written[sequence] = Math.Max(_written[sequence], end);
    }

    /// <summary>Attention of slices, written as far as they see: [slice][query, columns].</summary>
    public float[][] Attend(params AttentionAsk[] asks)
    {
        foreach (AttentionAsk ask in asks)
            Write(ask.Sequence, ask.Start + ask.Count);
        int tokens = asks.Sum(ask => ask.Count), columns = _setup.QueryColumns, stride = columns + 5;
        float[] queries = new float[tokens * stride];
        float[] output = new float[tokens * stride];
        queries.AsSpan().Fill(float.NaN);
        output.AsSpan().Fill(float.NaN);
        AttentionSlice[] slices = new AttentionSlice[asks.Length];
        int token = 0;
        for (int i = 0; i < asks.Length; i++)
        {
            (int sequence, int start, int count) = asks[i];
            slices[i] = new(token, count, start, _firstBlocks[sequence]);
            for (int row = 0; row < count; row++, token++)
                _sequences[sequence].Queries.AsSpan((start + row) * columns, columns)
                    .CopyTo(queries.AsSpan(token * stride));
        }
        Call(slices, queries, output, tokens, stride);
        return Cut(asks, output, stride);
    }

    public void Dispose()
    {
        _team.Dispose();
        NativeMemory.AlignedFree(_memory);
    }

    private void Call(AttentionSlice[] slices, float[] queries, float[] output, int tokens, int stride)
    {
        fixed (AttentionSlice* firstSlice = slices)
        fixed (int* firstBlock = _blocks)
        fixed (float* q = queries, y = output)
        {
            AttendArgs args = new()
            {
                Team = Team, Q = q, Store = Layer, Slices = firstSlice, Blocks = firstBlock, Y = y,
                QStride = stride, YStride = stride, BlockBytes = BlockElements * 2,
                SliceCount = slices.Length, TokenCount = tokens, Heads = _setup.Heads,
                KvHeads = _setup.KvHeads, HeadDim = _setup.HeadDim, PageSize = _setup.PageSize,
                Window = _setup.Window, FirstKvHead = _setup.HeadsBefore,
                StoreKvHeads = _setup.StoreKvHeads, Scale = _setup.Scale, Isa = _setup.Isa,
            };
            args.ScratchBytes = CpuNative.pd_cpu_attend_scratch_bytes(&args);
            args.Scratch = NativeMemory.AlignedAlloc((nuint)args.ScratchBytes + 64, 64);
            new Span<byte>(args.Scratch, checked((int)args.ScratchBytes + 64)).Fill(0xff);
            try
            {
                NativeCalls.ThrowIfFailed(CpuNative.pd_cpu_attend(&args));
                Span<byte> beyond = new((byte*)args.Scratch + args.ScratchBytes, 64);
                Assert.That(beyond.IndexOfAnyExcept((byte)0xff), Is.EqualTo(-1), "wrote past its scratch");
            }
            finally
            {
                NativeMemory.AlignedFree(args.Scratch);
            }
        }
    }

    private float[][] Cut(AttentionAsk[] asks, float[] output, int stride)
    {
        float[][] results = new float[asks.Length][];
        int token = 0;
        for (int i = 0; i < asks.Length; i++)
        {
            results[i] = new float[asks[i].Count * _setup.QueryColumns];
            for (int row = 0; row < asks[i].Count; row++, token++)
            {
                Span<float> whole = output.AsSpan(token * stride, stride);
                whole[.._setup.QueryColumns].CopyTo(results[i].AsSpan(row * _setup.QueryColumns));
                Assert.That(whole[_setup.QueryColumns..].ToArray(), Is.All.NaN, "wrote between rows");
            }
        }
        return results;
    }
}
