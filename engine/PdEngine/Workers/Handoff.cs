namespace PdEngine;

/// <summary>
/// One sequence's way from the worker that computes its prompt to the worker that decodes it. Inside a
/// domain its blocks stay where they are; between domains the source lends each block as it is finished and
/// the target copies it.
/// </summary>
internal sealed class Handoff
{
    /// <param name="sequence">What moves.</param>
    /// <param name="source">Computes the prompt.</param>
    /// <param name="target">Decodes; counts the sequence as its own from now on.</param>
    /// <param name="transfer">Copies blocks from source to target; null inside one domain.</param>
    public Handoff(Sequence sequence, Worker source, Worker target, IKvTransfer? transfer)
    {
        Sequence = sequence;
        Source = source;
        Target = target;
        Transfer = transfer;
        target.CountExpected(1);
    }

    public Sequence Sequence { get; }

    public Worker Source { get; }

    public Worker Target { get; }

    /// <summary>Copies blocks; null inside one domain.</summary>
    public IKvTransfer? Transfer { get; }

    /// <summary>
    /// What the sequence holds at the source, between domains: lent to the target block by block, and the
    /// target's to give back once it has adopted the sequence.
    /// </summary>
    public KvHold SourceHold { get; set; } = new();

    /// <summary>The same way once more, for a sequence that is computed anew.</summary>
    public Handoff Again() => new(Sequence, Source, Target, Transfer);

    /// <summary>The target will not get it after all.</summary>
    public void Abandon() => Target.CountExpected(-1);
}
