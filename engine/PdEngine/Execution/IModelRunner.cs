namespace PdEngine;

/// <summary>
/// The seam between scheduling and compute. A step is started, then finished; a CPU does its work in
/// <see cref="Start"/>, a GPU keeps one step in flight. What comes out lies in the batch's
/// <see cref="ForwardBatch.Samples"/>: ids and log-probs only.
/// </summary>
internal interface IModelRunner : IDisposable
{
    /// <summary>
    /// A batch may be started before the one before it is finished, and name tokens that that one draws: see
    /// <see cref="ForwardBatch.TokenIds"/>. Two are started at most, and finished in the same order.
    /// </summary>
    bool RunsAhead => false;

    /// <summary>
    /// What a started batch writes may be copied from at once: a copy of some layers waits for these by
    /// itself.
    /// </summary>
    bool OrdersCopies => false;

    /// <summary>Starts computing a batch; the batch must stay as it is until it is finished.</summary>
    void Start(ForwardBatch batch);

    /// <summary>Waits until the results of a started batch are in its samples.</summary>
    void Finish(ForwardBatch batch);

    /// <summary>
    /// Copies a block within the worker's own memory, between batches: for a sequence that goes on from where
    /// another is.
    /// </summary>
    void CopyBlock(int source, int target);

    /// <summary>Computes with other weights of the same model from the next batch on.</summary>
    void Use(WeightEpoch epoch);

    /// <summary>
    /// Says that no batch follows until further notice, so that what computes may help others meanwhile.
    /// </summary>
    void Rest();
}
