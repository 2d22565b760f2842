using PdEngine.Interop;

namespace PdEngine.Tests;

/// <summary>How the splits of a tile are dealt out to thread blocks.</summary>
internal enum SplitDeal
{
    /// <summary>One unit has them all and finishes the tile.</summary>
    Whole = 0,

    /// <summary>Each is a unit's.</summary>
    Each = 1,

    /// <summary>Runs of one to three.</summary>
    Runs = 2,
}

/// <summary>
/// A paged store on a virtual GPU and launches of attention over it. Blocks are in shuffled order, what was
/// not written is NaN, and a block holds a foreign layer before the one in use.
/// </summary>
internal sealed class AttentionKernelRun
{
    private const int SplitKeys = 512;

    private readonly KernelRig _rig;
    private readonly AttentionSetup _setup;
    private readonly AttentionSequence[] _sequences;
    private readonly int[] _firstBlocks;
    private readonly int[] _blocks;
    private readonly ulong _store;

    public AttentionKernelRun(KernelRig rig, AttentionSetup setup, params AttentionSequence[] sequences)
    {
        (_rig, _setup, _sequences) = (rig, setup, sequences);
        _firstBlocks = new int[sequences.Length];
        int count = 0;
        for (int i = 0; i < sequences.Length; i++)
        {
            _firstBlocks[i] = count;
            count += (sequences[i].Length + setup.PageSize - 1) / setup.PageSize;
        }
        _blocks = Enumerable.Range(0, count + 3).ToArray();
        new Random(count).Shuffle(_blocks);
        ushort[] memory = new ushort[BlockElements * _blocks.Length];
        Array.Fill(memory, (ushort)0xffff);
        for (int i = 0; i < sequences.Length; i++)
            Write(memory, i);
        _store = rig.Upload<ushort>(memory);
    }

    /// <summary>What comes before the head width in the name of the kernel.</summary>
    public string Kernel { get; init; } = "pd_attention_d";

    private int PlaneElements => _setup.StoreKvHeads * _setup.HeadElements;

    private int BlockElements => 4 * PlaneElements;

    /// <summary>Outputs [rows of the asks, heads * head dim].</summary>
    /// <param name="asks">Queries, slice after slice; a count of 0 is padding.</param>
    /// <param name="tileRows">16 or 64.</param>
    /// <param name="deal">Of splits to units.</param>
    /// <param name="skip">A split that the plan leaves out, which is a bug; -1: none.</param>
    public float[] Attend(IReadOnlyList<AttentionAsk> asks, int tileRows, SplitDeal deal, int skip = -1)
    {
        int columns = (_setup.Heads + (2 * _setup.KvHeads)) * _setup.HeadDim;
        int tokens = asks.Sum(ask => ask.Count);
        List<AttentionSlice> slices = [];
        ushort[] qkv = new ushort[tokens * columns * 2];
        int token = 0;
        foreach (AttentionAsk ask in asks)
        {
            slices.Add(new(token, ask.Count, ask.Start, _firstBlocks[ask.Sequence]));
            for (int query = 0; query < ask.Count; query++, token++)
                WriteQueries(qkv.AsSpan(token * columns * 2), _sequences[ask.Sequence], ask.Start + query);
        }
        Plan plan = new(_setup, slices, tileRows, deal, skip);
        ulong sliceList = _rig.Upload<AttentionSlice>(slices.ToArray());
        ulong output = _rig.Allocate<ushort>(tokens * _setup.QueryColumns);
        long partialFloats = (long)_setup.KvHeads * tileRows * (_setup.HeadDim + 2);
        ulong partials = _rig.Allocate<float>(Math.Max(1, plan.Partials) * partialFloats);
        _rig.Launch(
            $"{Kernel}{_setup.HeadDim}_m{tileRows}", new(plan.Units.Count, _setup.KvHeads),
            CudaKernels.AttentionThreads(tileRows),
            CudaKernels.AttentionSharedBytes(tileRows, _setup.HeadDim), new CudaAttentionArgs
            {
                Qkv = _rig.Upload<ushort>(qkv), Store = _store + (ulong)(BlockElements * 2 / 2),
                Slices = sliceList, Blocks = _rig.Upload<int>(_blocks),
                Units = _rig.Upload<CudaAttentionUnit>(plan.Units.ToArray()), Partials = partials,
                Output = output, QkvStride = columns, OutputStride = _setup.QueryColumns,
                BlockBytes = BlockElements * 2, PlaneBytes = PlaneElements * 2, Heads = _setup.Heads,
                KvHeads = _setup.KvHeads, PageSize = _setup.PageSize, FirstKvHead = _setup.HeadsBefore,
                Window = _setup.Window, ScaleLog2 = (float)(Math.Log2(Math.E) / Math.Sqrt(_setup.HeadDim)),
            });
        if (plan.Tiles.Count > 0)
            _rig.Launch("pd_attention_merge", new(plan.Tiles.Count, _setup.KvHeads), 128, 0, new CudaMergeArgs
            {
                Partials = partials, Tiles = _rig.Upload<CudaMergeTile>(plan.Tiles.ToArray()),
                Slices = sliceList, Output = output, OutputStride = _setup.QueryColumns,
                Heads = _setup.Heads, KvHeads = _setup.KvHeads, HeadDim = _setup.HeadDim, TileRows = tileRows,
            });
        return _rig.ReadHalves(output, tokens * _setup.QueryColumns);
    }

    private void Write(ushort[] memory, int index)
    {
        AttentionSequence sequence = _sequences[index];
        for (int position = 0; position < sequence.Length; position++)
        {
            int block = _blocks[_firstBlocks[index] + (position / _setup.PageSize)];
            for (int element = 0; element < _setup.KvColumns; element++)
            {
                int head = _setup.HeadsBefore + (element / _setup.HeadDim);
                int at = (block * BlockElements) + (2 * PlaneElements) + (head * _setup.HeadElements)
                    + (position % _setup.PageSize * _setup.HeadDim) + (element % _setup.HeadDim);
                int from = (position * _setup.KvColumns) + element;
                memory[at] = AttentionSequence.ToBFloat16(sequence.Keys[from]);
                memory[at + PlaneElements] = AttentionSequence.ToBFloat16(sequence.Values[from]);
            }
        }
    }

    /// <summary>Each head where pd_rotate_append leaves it: in the first half of its float32 place.</summary>
    private void WriteQueries(Span<ushort> row, AttentionSequence sequence, int position)
    {
        for (int element = 0; element < _setup.QueryColumns; element++)
        {
            int head = element / _setup.HeadDim;
            row[(head * _setup.HeadDim * 2) + (element % _setup.HeadDim)] = AttentionSequence.ToBFloat16(
                sequence.Queries[(position * _setup.QueryColumns) + element]);
        }
    }

    /// <summary>Units and tiles to merge.</summary>
    private sealed class Plan
    {
        public Plan(
            AttentionSetup setup, List<AttentionSlice> slices, int tileRows, SplitDeal deal, int skip)
        {
            Random random = new(slices.Count);
            for (int slice = 0; slice < slices.Count; slice++)
            {
                int rows = slices[slice].QueryCount * setup.Group;
                for (int row = 0; row < Math.Max(rows, 1); row += tileRows)
                {
                    int lastRow = Math.Min(row + tileRows, rows) - 1;
                    int end = slices[slice].Start + Math.Max(0, lastRow / setup.Group) + 1;
                    int splits = (end + SplitKeys - 1) / SplitKeys;
                    if (deal == SplitDeal.Whole || splits == 1)
                        Units.Add(new(slice, row, 0, splits, -1));
                    else
                        Deal(slice, row, splits, deal == SplitDeal.Each ? null : random, skip);
                }
            }
            Units.Add(new(-1, 0, 0, 0, -1));
        }

        public List<CudaAttentionUnit> Units { get; } = [];

        public List<CudaMergeTile> Tiles { get; } = [];

        public int Partials { get; private set; }

        private void Deal(int slice, int row, int splits, Random? random, int skip)
        {
            Tiles.Add(new(slice, row, Partials, splits));
            for (int split = 0; split < splits;)
            {
                int count = Math.Min(splits - split, random?.Next(1, 4) ?? 1);
                if (split != skip)
                    Units.Add(new(slice, row, split, count, Partials + split));
                else
                    Units.Add(new(slice, row, split - 1, count, Partials + split));
                split += count;
            }
            Partials += splits;
        }
    }
}
