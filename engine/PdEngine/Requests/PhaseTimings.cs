namespace PdEngine;

/// <summary>
/// Where a request's time went, in nanoseconds: every moment from submission to the end counts in exactly
/// one of these, so that they sum to the end-to-end time. Time spent anew after a retraction or a failure
/// adds to the same fields.
/// </summary>
public sealed record PhaseTimings
{
    /// <summary>Waiting for a prefill place and blocks, or for a local worker's
    /// (<c>pd_prefill_bootstrap_queue_duration</c>).</summary>
    public long PrefillQueueNs { get; init; }

    /// <summary>From admission to the first token (<c>pd_prefill_forward_duration</c>).</summary>
    public long PrefillForwardNs { get; init; }

    /// <summary>From the first token until the decode worker takes the sequence up
    /// (<c>pd_prefill_transfer_queue_duration</c>).</summary>
    public long TransferQueueNs { get; init; }

    /// <summary>
    /// Of <see cref="TransferQueueNs"/>, what the hand-off itself took: a decode worker takes sequences up
    /// between two steps, and this leaves out the step that it was in. Not counted apart in the total.
    /// </summary>
    public long HandoffNs { get; init; }

    /// <summary>On the decode worker, waiting for blocks (<c>pd_decode_alloc_wait_duration</c>).</summary>
    public long DecodeAllocWaitNs { get; init; }

    /// <summary>On the decode worker, until the last block has been copied
    /// (<c>pd_decode_transfer_duration</c>); 0 inside one domain.</summary>
    public long DecodeTransferNs { get; init; }

    /// <summary>From the first decode step to the end (<c>pd_decode_forward_duration</c>).</summary>
    public long DecodeForwardNs { get; init; }

    /// <summary>From the first token to the first decode step, by way of a hand-off.</summary>
    public long PassingNs => TransferQueueNs + DecodeAllocWaitNs + DecodeTransferNs;

    /// <summary>All of them: submission to end.</summary>
    public long TotalNs => PrefillQueueNs + PrefillForwardNs + PassingNs + DecodeForwardNs;

    /// <summary>The same of two requests together.</summary>
    public PhaseTimings Plus(PhaseTimings other)
    {
        ArgumentNullException.ThrowIfNull(other);
        return new()
        {
            PrefillQueueNs = PrefillQueueNs + other.PrefillQueueNs,
            PrefillForwardNs = PrefillForwardNs + other.PrefillForwardNs,
            TransferQueueNs = TransferQueueNs + other.TransferQueueNs,
            HandoffNs = HandoffNs + other.HandoffNs,
            DecodeAllocWaitNs = DecodeAllocWaitNs + other.DecodeAllocWaitNs,
            DecodeTransferNs = DecodeTransferNs + other.DecodeTransferNs,
            DecodeForwardNs = DecodeForwardNs + other.DecodeForwardNs,
        };
    }
}
