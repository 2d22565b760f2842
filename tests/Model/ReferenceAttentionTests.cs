namespace PdEngine.Tests;

public sealed class ReferenceAttentionTests
{
    private const int LayerCount = 2;
    private const int Layer = 1;

    /// <summary>
    /// Slices of each step: (sequence, start, count), over sequences computed in that order.
    /// </summary>
    private static readonly (int Sequence, int Start, int Count)[][] Steps =
    [
        [(0, 0, 5), (1, 0, 17)],
        [(0, 5, 1), (1, 17, 9), (2, 0, 1)],
        [(2, 1, 33), (0, 6, 1), (1, 26, 1)],
    ];

    private static readonly RopeConfig Rope = TestConfigs.Config(1, 1, 20, 8, 8).Rope;

    [Test]
    public void Attention_over_blocks_is_near_the_naive_one(
        [Values(1, 4, 64)] int pageSize, [Values(0, 1, 6)] int window, [Values] bool withNorm,
        [Values("1/1", "6/3", "8/1", "3/3")] string heads)
    {
        int[] counts = [.. heads.Split('/').Select(int.Parse)];
        AttentionShape shape = new(counts[0], counts[1], 20);
        using ReferenceBackend backend = new(2);
        using Setting setting = new(backend, shape, pageSize, withNorm);
        double[][][] rows = new double[3][][];
        foreach ((int Sequence, int Start, int Count)[] step in Steps)
        {
            float[] before = setting.Fill(step);
            float[] attended = setting.Run(window);
            int token = 0;
            foreach ((int sequence, int start, int count) in step)
            {
                rows[sequence] ??= [];
                for (int index = 0; index < count; index++, token++)
                {
                    double[] row =
                        NaiveModel.Widen(before.AsSpan(token * shape.QkvColumns, shape.QkvColumns));
                    rows[sequence] = [.. rows[sequence], setting.Turned(row, start + index)];
                    double[] expected = Naive(shape, rows[sequence], window);
                    TestTensors.AssertNear(
                        attended.AsSpan(token * shape.QueryColumns, shape.QueryColumns), expected, 3e-6,
                        $"sequence {sequence}, position {start + index}");
                }
            }
        }
    }

    [Test]
    public void Attention_is_the_same_on_any_number_of_threads()
    {
        AttentionShape shape = new(16, 4, 32);
        float[][] results = [.. new[] { 1, 4 }.Select(threadCount =>
        {
            using ReferenceBackend backend = new(threadCount);
            using Setting setting = new(backend, shape, 8, withNorm: true);
            setting.Fill([(0, 0, 61), (1, 0, 40)]);
            return setting.Run(window: 0);
        })];
        TestTensors.AssertSameBits(results[1], results[0], "four threads");
    }

    [Test]
    public void Reading_a_position_that_was_never_written_is_seen()
    {
        using ReferenceBackend backend = new(1);
        using Setting setting = new(backend, new(2, 1, 20), 4, withNorm: false);
        setting.Fill([(0, 2, 1)]);
        Assert.That(setting.Run(window: 0), Has.All.NaN);
        Assert.That(setting.Run(window: 1), Has.None.NaN);
    }

    private static double[] Naive(AttentionShape shape, double[][] rows, int window)
    {
        int width = shape.HeadDim;
        double[][] seen = window > 0 ? [.. rows.TakeLast(window)] : rows;
        return [.. Enumerable.Range(0, shape.HeadCount).SelectMany(head =>
        {
            int kvHead = head * shape.KvHeadCount / shape.HeadCount;
            double[] query = rows[^1].AsSpan(head * width, width).ToArray();
            return NaiveModel.Attend(
                query, [.. seen.Select(row => Part(row, shape.QueryColumns + (kvHead * width)))],
                [.. seen.Select(row => Part(row, shape.QueryColumns + shape.KvColumns + (kvHead * width)))]);

            double[] Part(double[] row, int first) => row.AsSpan(first, width).ToArray();
        })];
    }

    /// <summary>A store and operands of one layer; sequences have blocks at fixed, interleaved ids.</summary>
    private sealed class Setting : IDisposable
    {
        private const int MaxPositions = 64;

        private readonly ReferenceBackend _backend;
        private readonly AttentionShape _shape;
        private readonly int _pageSize;
        private readonly KvStore _store;
        private readonly RopeTable _table;
        private readonly Tensor? _queryNorm;
        private readonly Tensor? _keyNorm;
        private readonly AttentionBatch _batch = new();
        private readonly Random _random = new(21);
        private readonly Tensor _qkv;

        public Setting(ReferenceBackend backend, AttentionShape shape, int pageSize, bool withNorm)
        {
            _backend = backend;
            _shape = shape;
            _pageSize = pageSize;
            int blocksEach = MaxPositions / pageSize;
            _store = backend.CreateKvStore(
                KvLayout.GroupedQuery(
                    LayerCount, pageSize, shape.KvHeadCount, shape.HeadDim, backend.KvElement),
                3 * blocksEach);
            Frequencies = Rope.InverseFrequencies.Length * 2 == shape.HeadDim
                ? Rope
                : TestConfigs.Config(1, 1, shape.HeadDim, 8, 8).Rope;
            _table = new(Frequencies.InverseFrequencies, Frequencies.AttentionFactor);
            if (withNorm)
            {
                _queryNorm = TestTensors.Random(backend, _random, 1, shape.HeadDim);
                _keyNorm = TestTensors.Random(backend, _random, 1, shape.HeadDim);
            }
            _qkv = backend.CreateTensor(128, shape.QkvColumns);
        }

        private RopeConfig Frequencies { get; }

        /// <summary>Draws q, k and v for a step's slices; returns them.</summary>
        public float[] Fill((int Sequence, int Start, int Count)[] slices)
        {
            _batch.Clear();
            int token = 0;
            foreach ((int sequence, int start, int count) in slices)
            {
                int blockCount = (start + count + _pageSize - 1) / _pageSize;
                int[] blocks = [.. Enumerable.Range(0, blockCount).Select(block => (block * 3) + sequence)];
                _batch.Add(token, start, count, blocks);
                token += count;
            }
            _qkv.SetRows(token);
            for (int row = 0; row < token; row++)
                TestTensors.Values(_random, _shape.QkvColumns).CopyTo(_qkv.Row(row));
            return TestTensors.Copy(_qkv);
        }

        /// <summary>Appends and attends.</summary>
        public float[] Run(int window)
        {
            using Tensor output = _backend.CreateTensor(_qkv.Rows, _shape.QueryColumns);
            _backend.RotateAndAppend(
                _qkv, _shape, _table.Require(MaxPositions), _queryNorm, _keyNorm, 1e-6f, _store, Layer,
                _batch);
            _backend.Attend(_qkv, _shape, _store, Layer, window, _batch, output);
            return TestTensors.Copy(output);
        }

        /// <summary>The row with q and k normalised and turned, in double precision.</summary>
        public double[] Turned(double[] row, int position)
        {
            int width = _shape.HeadDim;
            double[] result = [.. row];
            for (int head = 0; head < _shape.HeadCount + _shape.KvHeadCount; head++)
            {
                double[] values = row.AsSpan(head * width, width).ToArray();
                Tensor? norm = head < _shape.HeadCount ? _queryNorm : _keyNorm;
                if (norm is not null)
                    values = NaiveModel.Norm(values, norm.Row(0), 1e-6f);
                NaiveModel.Rope(values, position, Frequencies).CopyTo(result, head * width);
            }
            return result;
        }

        public void Dispose()
        {
            _qkv.Dispose();
            _queryNorm?.Dispose();
            _keyNorm?.Dispose();
            _table.Dispose();
            _store.Dispose();
        }
    }
}
