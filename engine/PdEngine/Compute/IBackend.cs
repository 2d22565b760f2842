namespace PdEngine;

/// <summary>
/// The ops of a decoder on one device. Every op is a function of its inputs alone: a row of its output is
/// bitwise the same whatever the other rows are and however many threads run it. Not thread-safe; one worker
/// drives it.
/// </summary>
internal interface IBackend : IDisposable
{
    /// <summary>What computes, for example <c>cpu/avx512</c>.</summary>
    string Name { get; }

    /// <summary>How this backend stores K and V.</summary>
    KvElement KvElement { get; }

    /// <summary>
    /// A batch may begin before the results of the one before are awaited; its ids below 0 are draws of that
    /// one: see <see cref="ForwardBatch.TokenIds"/>.
    /// </summary>
    bool RunsAhead => false;

    /// <summary>Where its tensors and weights lie.</summary>
    MemoryDomain Memory => MemoryDomain.Host;

    /// <summary>Bytes of its memory that are free now.</summary>
    long FreeBytes => HostMemory.FreeBytes();

    Tensor CreateTensor(int rowCapacity, int columns);

    /// <summary>
    /// A tensor in this backend's memory that ops of other backends of a worker read and write as well.
    /// </summary>
    /// <param name="rowCapacity">Most rows.</param>
    /// <param name="columns">Columns.</param>
    /// <param name="users">All of the worker, this one included.</param>
    /// <exception cref="BackendException">One of them cannot reach it.</exception>
    Tensor CreateShared(int rowCapacity, int columns, IReadOnlyList<IBackend> users) =>
        CreateTensor(rowCapacity, columns);

    /// <summary>
    /// What gathers the tensors of a worker's ranks where these do not reach each other's memory; null where
    /// they do.
    /// </summary>
    /// <param name="ranks">All of the worker, this one first.</param>
    /// <param name="elementCount">Most elements that a rank gives at once.</param>
    /// <exception cref="BackendException">They cannot be brought together.</exception>
    CudaRankGather? CreateGather(IReadOnlyList<IBackend> ranks, long elementCount) => null;

    KvStore CreateKvStore(KvLayout layout, int blockCount);

    /// <summary>
    /// Takes a weight in, in the backend's own form (the CPU backend rounds it to bf16 and packs it), or
    /// rounded to int8.
    /// </summary>
    Matrix LoadMatrix(int rows, int columns, int segmentCount, MatrixElement element, MatrixReader reader);

    /// <summary>
    /// Takes other values of a weight in, in place; nothing may compute with it meanwhile. The reader may
    /// read the rows that it is asked for from the matrix itself.
    /// </summary>
    void ReloadMatrix(Matrix matrix, MatrixReader reader);

    /// <summary>
    /// Says that the ops from here to <see cref="End"/> compute a batch, which stays as it is until then.
    /// Where a batch before it failed, it has no end. (Nothing to do where ops compute when they are called.)
    /// </summary>
    /// <param name="batch">What their attention takes.</param>
    /// <param name="store">Where they put K and V.</param>
    /// <param name="tokenCount">Tokens of the batch.</param>
    void Begin(AttentionBatch batch, KvStore store, int tokenCount)
    {
    }

    /// <summary>
    /// All ops of the batch have been called. What they write is in order for other ops, on whatever device,
    /// but may not have been written yet; what it sampled is there after <see cref="Await"/>.
    /// </summary>
    void End()
    {
    }

    /// <summary>
    /// Waits until the results of a batch that has ended are in its samples, where there are any. (Nothing to
    /// do where ops compute when they are called.)
    /// </summary>
    void Await(SampleBatch samples)
    {
    }

    /// <summary>
    /// Says that other backends may follow what was called so far. (Nothing to do where ops compute when they
    /// are called.)
    /// </summary>
    void Publish()
    {
    }

    /// <summary>What is called from now on comes after all that another backend has published.</summary>
    void Follow(IBackend other)
    {
    }

    /// <summary>
    /// Says that this is one of the ranks of a worker: what the first of them draws, all may name.
    /// </summary>
    void ShareDraws(IReadOnlyList<IBackend> ranks)
    {
    }

    /// <summary>output[i] = row tokenIds[i] of the table; of a draw, where that is below 0.</summary>
    void Embed(Matrix table, ReadOnlySpan<int> tokenIds, Tensor output);

    /// <summary>output = input / rms(input) * weight, row by row.</summary>
    void RmsNorm(Tensor input, Tensor weight, float epsilon, Tensor output);

    /// <summary>output = input Wᵀ + bias.</summary>
    /// <param name="input">[rows, W.Columns].</param>
    /// <param name="weight">[W.Rows, W.Columns].</param>
    /// <param name="bias">[1, W.Rows], or null.</param>
    /// <param name="output">[rows, W.Rows].</param>
    void MatMul(Tensor input, Matrix weight, Tensor? bias, Tensor output);

    /// <summary>residual += input Wᵀ + bias: the bits of <see cref="MatMul"/>, then one addition.</summary>
    /// <param name="input">[rows, W.Columns].</param>
    /// <param name="weight">[W.Rows, W.Columns].</param>
    /// <param name="bias">[1, W.Rows], or null.</param>
    /// <param name="residual">[rows, W.Rows].</param>
    void MatMulAdd(Tensor input, Matrix weight, Tensor? bias, Tensor residual);

    /// <summary>output = silu(gate) * up, where input Wᵀ + bias is both.</summary>
    /// <param name="input">[rows, W.Columns].</param>
    /// <param name="weight">Rows of gate and up in the order of <see cref="GatedRows"/>.</param>
    /// <param name="bias">[1, W.Rows] in the same order, or null.</param>
    /// <param name="output">[rows, inner]; not a view.</param>
    void MatMulSwiGlu(Tensor input, Matrix weight, Tensor? bias, Tensor output);

    /// <summary>
    /// Columns [first, first + count) of residual += (p0+p1)+(p2+p3) + bias: one product whose segments
    /// several devices made, in the order in which <see cref="MatMulAdd"/> adds them when it makes them all.
    /// </summary>
    /// <param name="partials">2 or 4, each [rows, columns]; may be written by other threads before.</param>
    /// <param name="bias">[1, columns], or null.</param>
    /// <param name="residual">[rows, columns].</param>
    /// <param name="firstColumn">First column.</param>
    /// <param name="columnCount">How many; 0 does nothing.</param>
    void AddPartials(
        ReadOnlySpan<Tensor> partials, Tensor? bias, Tensor residual, int firstColumn, int columnCount);

    /// <summary>
    /// Normalises each q and k head (where weights are given), turns q in place and k by RoPE, and writes k
    /// and v of every token of the batch into its block.
    /// </summary>
    /// <param name="qkv">[tokens, shape.QkvColumns]; its q part is turned in place.</param>
    /// <param name="shape">Heads.</param>
    /// <param name="rope">Cosines and sines for every position of the batch.</param>
    /// <param name="queryNorm">[1, HeadDim], or null.</param>
    /// <param name="keyNorm">[1, HeadDim], or null.</param>
    /// <param name="epsilon">Of those norms.</param>
    /// <param name="store">Where K and V go.</param>
    /// <param name="layer">Layer of the store.</param>
    /// <param name="batch">Slices and blocks.</param>
    void RotateAndAppend(
        Tensor qkv, AttentionShape shape, Tensor rope, Tensor? queryNorm, Tensor? keyNorm, float epsilon,
        KvStore store, int layer, AttentionBatch batch);

    /// <summary>Causal attention of the batch's queries over their sequences' cached K and V.</summary>
    /// <param name="qkv">[tokens, shape.QkvColumns]; only its q part is read.</param>
    /// <param name="shape">Heads; the scale is HeadDim^-0.5.</param>
    /// <param name="store">K and V, this batch's own included.</param>
    /// <param name="layer">Layer of the store.</param>
    /// <param name="window">How many of the latest positions a query sees, itself included; 0 is all.</param>
    /// <param name="batch">Slices and blocks.</param>
    /// <param name="output">[tokens, shape.QueryColumns].</param>
    void Attend(
        Tensor qkv, AttentionShape shape, KvStore store, int layer, int window, AttentionBatch batch,
        Tensor output);

    /// <summary>output[i] = input[rows[i]].</summary>
    void GatherRows(Tensor input, ReadOnlySpan<int> rows, Tensor output);

    /// <summary>
    /// Draws and scores sample rows [first, first + count) and writes their results.
    /// </summary>
    /// <param name="logits">[rows, vocabulary]; left as it is, since several samples may share a row.</param>
    /// <param name="firstLogitsRow">
    /// The batch's logits row that row 0 of <paramref name="logits"/> is.
    /// </param>
    /// <param name="samples">All rows of the batch; see <see cref="SampleRow"/> for the definition.</param>
    /// <param name="first">First sample row.</param>
    /// <param name="count">How many.</param>
    void Sample(Tensor logits, int firstLogitsRow, SampleBatch samples, int first, int count);

    /// <summary>
    /// Says that nothing will be computed until the next op: from now to then the device's cores may help
    /// other devices. Called by the thread that drives this backend.
    /// </summary>
    void Rest();
}
