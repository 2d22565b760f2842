namespace PdEngine;

/// <summary>What other threads ask of a worker; it acts on them between batches.</summary>
internal abstract record WorkerCommand
{
    private WorkerCommand()
    {
    }

    /// <summary>Serve a queued sequence.</summary>
    public sealed record Submit(Sequence Sequence) : WorkerCommand;

    /// <summary>End a sequence with what it has; nothing happens where it has ended already.</summary>
    public sealed record Abort(Sequence Sequence) : WorkerCommand;

    /// <summary>End every sequence that was submitted before this.</summary>
    public sealed record AbortAll : WorkerCommand;

    /// <summary>Forget every cached prefix that no sequence uses.</summary>
    public sealed record FlushCache : WorkerCommand;
}
