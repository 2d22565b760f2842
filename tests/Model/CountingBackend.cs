namespace PdEngine.Tests;

/// <summary>
/// Computes nothing; counts what it is asked for, so that its callers' own doing can be looked at.
/// </summary>
internal sealed class CountingBackend : IBackend
{
    public string Name => "counting";

    public KvElement KvElement => KvElement.Float32;

    public int OpCount { get; private set; }

    public int LiveMatrices { get; private set; }

    /// <summary>Most logits rows that one product gave.</summary>
    public int MostLogitsRows { get; private set; }

    /// <summary>
    /// What <see cref="Sample"/> was asked for: (first logits row, rows, first sample, samples).
    /// </summary>
    public List<(int FirstRow, int Rows, int First, int Count)> Sampled { get; } = new(64);

    public Tensor CreateTensor(int rowCapacity, int columns) => new(rowCapacity, columns);

    public KvStore CreateKvStore(KvLayout layout, int blockCount) => new EmptyStore(layout, blockCount);

    public Matrix LoadMatrix(
        int rows, int columns, int segmentCount, MatrixElement element, MatrixReader reader)
    {
        reader(0, rows, new float[rows * columns]);
        LiveMatrices++;
        return new EmptyMatrix(this, rows, columns, segmentCount);
    }

    public void ReloadMatrix(Matrix matrix, MatrixReader reader) => OpCount++;

    public void Embed(Matrix table, ReadOnlySpan<int> tokenIds, Tensor output) => OpCount++;

    public void RmsNorm(Tensor input, Tensor weight, float epsilon, Tensor output) => OpCount++;

    public void MatMul(Tensor input, Matrix weight, Tensor? bias, Tensor output)
    {
        OpCount++;
        if (weight.Rows == TestConfigs.Everything.VocabularySize)
            MostLogitsRows = Math.Max(MostLogitsRows, output.Rows);
    }

    public void MatMulAdd(Tensor input, Matrix weight, Tensor? bias, Tensor residual) => OpCount++;

    public void MatMulSwiGlu(Tensor input, Matrix weight, Tensor? bias, Tensor output) => OpCount++;

    public void AddPartials(
        ReadOnlySpan<Tensor> partials, Tensor? bias, Tensor residual, int firstColumn, int columnCount) =>
        OpCount++;

    public void RotateAndAppend(
        Tensor qkv, AttentionShape shape, Tensor rope, Tensor? queryNorm, Tensor? keyNorm, float epsilon,
        KvStore store, int layer, AttentionBatch batch) => OpCount++;

    public void Attend(
        Tensor qkv, AttentionShape shape, KvStore store, int layer, int window, AttentionBatch batch,
        Tensor output) => OpCount++;

    public void GatherRows(Tensor input, ReadOnlySpan<int> rows, Tensor output) => OpCount++;

    public void Sample(Tensor logits, int firstLogitsRow, SampleBatch samples, int first, int count) =>
        Sampled.Add((firstLogitsRow, logits.Rows, first, count));

    public void Rest()
    {
    }

    public void Dispose()
    {
    }

    private sealed class EmptyMatrix(CountingBackend owner, int rows, int columns, int segmentCount)
        : Matrix(rows, columns, segmentCount)
    {
        private bool _isView;

        public override long Bytes => 0;

        public override Matrix View(int firstRow, int rowCount) =>
            new EmptyMatrix(owner, rowCount, Columns, SegmentCount) { _isView = true };

        public override void ReadRows(int firstRow, int rowCount, Span<float> destination) =>
            destination.Clear();

        public override void Dispose() => owner.LiveMatrices -= _isView ? 0 : 1;
    }

    private sealed class EmptyStore(KvLayout layout, int blockCount) : KvStore(layout, blockCount)
    {
        public override long CopyBlock(
            KvStore source, int sourceBlock, int targetBlock, in KvHeadRun heads, int firstLayer,
            int layerCount) => 0;

        public override void Vacate()
        {
        }

        public override void Dispose()
        {
        }
    }
}
