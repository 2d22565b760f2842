using PdEngine.Interop;

namespace PdEngine.Tests;

/// <summary>Turning and appending against the reference backend, with padding in the batch.</summary>
[Category("Cuda")]
public sealed class AppendKernelTests
{
    private const int Page = 4;
    private const int BlockCount = 12;
    private const int Scratch = 11;
    private const int Tokens = 12;

    [Test]
    public void Heads_are_the_references_rounded(
        [Values(16, 32, 64, 128)] int width, [Values] bool normed,
        [ValueSource(typeof(KernelRig), nameof(KernelRig.Seeds))] ulong seed)
    {
        using Append it = new(width, normed, seed);
        it.Run(paddingBlock: Scratch);
        it.CheckQueries();
        Assert.That(it.WrongBlocks(), Is.Empty, $"seed {seed}");
    }

    [Test]
    public void Padding_that_writes_a_block_in_use_is_found()
    {
        using Append it = new(32, normed: false, seed: 0);
        it.Run(paddingBlock: 0);
        Assert.That(it.WrongBlocks(), Is.EqualTo(new[] { 0 }));
    }

    /// <summary>A batch of two slices and padding, here and in the reference.</summary>
    private sealed unsafe class Append : IDisposable
    {
        private static readonly AttentionShape Shape = new(4, 2, 0, FirstKvHead: 1);

        private readonly ReferenceBackend _reference = new(1);
        private readonly KernelRig _rig;
        private readonly AttentionShape _shape;
        private readonly AttentionBatch _batch = new();
        private readonly ReferenceKvStore _expected;
        private readonly KvLayout _layout;
        private readonly Tensor _qkv;
        private readonly float[] _input;
        private readonly float[]? _norm;
        private readonly float[] _rope;
        private ulong _store;
        private float[] _output = [];

        public Append(int width, bool normed, ulong seed)
        {
            _rig = new(seed);
            _shape = Shape with { HeadDim = width };
            Random random = new(width);
            _layout = KvLayout.GroupedQuery(2, Page, 4, width, KvElement.Float32);
            _expected = new(_layout, BlockCount);
            _batch.Add(0, 0, 9, [7, 0, 3]);
            _batch.Add(9, 2, 3, [2, 5]);
            _input = TestTensors.Values(random, (Tokens + 2) * _shape.QkvColumns);
            _rope = TestTensors.Values(random, 16 * width);
            _norm = normed ? TestTensors.Values(random, width) : null;
            _qkv = TestTensors.Filled(
                _reference, Tokens, _shape.QkvColumns, _input[..(Tokens * _shape.QkvColumns)]);
            using Tensor rope = TestTensors.Filled(_reference, 16, width, _rope);
            using Tensor? norm = normed ? TestTensors.Filled(_reference, 1, width, _norm!) : null;
            _reference.RotateAndAppend(_qkv, _shape, rope, norm, norm, 1e-5f, _expected, 1, _batch);
        }

        private int HeadElements => Page * _shape.HeadDim;

        private int BlockElements => 2 * 2 * 4 * HeadElements;

        public void Run(int paddingBlock)
        {
            List<CudaTokenPlace> places = [];
            foreach (AttentionSlice slice in _batch.Slices)
            {
                for (int position = slice.Start; position < slice.Start + slice.QueryCount; position++)
                    places.Add(new(position, _batch.Blocks[slice.FirstBlock + (position / Page)]));
            }
            places.Add(new(0, paddingBlock));
            places.Add(new(1, paddingBlock));
            _store = _rig.Allocate<ushort>(BlockElements * BlockCount);
            ulong qkv = _rig.Upload<float>(_input), norm = _norm is null ? 0 : _rig.Upload<float>(_norm);
            _rig.Launch("pd_rotate_append", new(places.Count, 2), 128, 0, new CudaRotateAppendArgs
            {
                Qkv = qkv, Rope = _rig.Upload<float>(_rope), QueryNorm = norm, KeyNorm = norm,
                Store = _store + (ulong)(BlockElements / 2 * sizeof(ushort)),
                Places = _rig.Upload<CudaTokenPlace>(places.ToArray()), QkvStride = _shape.QkvColumns,
                RopeStride = _shape.HeadDim, BlockBytes = BlockElements * sizeof(ushort),
                PlaneBytes = 4 * HeadElements * sizeof(ushort), Heads = 4, KvHeads = 2,
                HeadDim = _shape.HeadDim, PageSize = Page, FirstKvHead = 1, Epsilon = 1e-5f,
            });
            _output = _rig.ReadHalves(qkv, (Tokens + 2) * _shape.QkvColumns * 2);
        }

        public void CheckQueries()
        {
            for (int i = 0; i < Tokens * _shape.QueryColumns; i++)
            {
                (int token, int element) = (i / _shape.QueryColumns, i % _shape.QueryColumns);
                int head = element / _shape.HeadDim;
                int at = ((token * _shape.QkvColumns) + (head * _shape.HeadDim)) * 2;
                float actual = _output[at + (element % _shape.HeadDim)];
                float expected = _qkv.Row(token)[element];
                Assert.That(actual, Is.EqualTo(expected).Within((Math.Abs(expected) / 250) + 1e-6), $"{i}");
            }
        }

        /// <summary>Blocks of the batch that do not hold what the reference has there.</summary>
        public int[] WrongBlocks()
        {
            float[] stored = _rig.ReadHalves(_store, BlockElements * BlockCount);
            SortedSet<int> wrong = [];
            foreach (int block in _batch.Blocks)
            {
                for (int plane = 0; plane < 2; plane++)
                {
                    for (int head = 1; head < 3; head++)
                    {
                        int at = (block * BlockElements) + (((2 + plane) * 4) + head) * HeadElements;
                        float* expected = _expected.Head(block, 1, plane, head);
                        for (int i = 0; i < HeadElements; i++)
                        {
                            float value = expected[i], actual = stored[at + i];
                            bool same = float.IsNaN(value)
                                ? float.IsNaN(actual)
                                : Math.Abs(actual - value) <= (Math.Abs(value) / 250) + 1e-6;
                            if (!same)
                                wrong.Add(block);
                        }
                    }
                }
            }
            return [.. wrong];
        }

        public void Dispose()
        {
            _rig.Dispose();
            _qkv.Dispose();
            _expected.Dispose();
            _reference.Dispose();
        }
    }
}
