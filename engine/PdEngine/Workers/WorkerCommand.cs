namespace PdEngine;

/// <summary>What other threads ask of a worker; it acts on them between batches.</summary>
internal abstract record WorkerCommand
{
    private WorkerCommand()
    {
    }

    /// <summary>Serve a queued sequence; with a hand-off, compute its prompt and hand it over.</summary>
    public sealed record Submit(Sequence Sequence, Handoff? Handoff) : WorkerCommand;

    /// <summary>
    /// A prompt of these tokens is being computed that will come here from another domain.
    /// </summary>
    public sealed record Expect(Handoff Handoff, int[] Tokens) : WorkerCommand;

    /// <summary>Take over a sequence whose prompt is computed.</summary>
    public sealed record Adopt(Handoff Handoff) : WorkerCommand;

    /// <summary>An expected prompt will not come.</summary>
    public sealed record Cancel(Handoff Handoff) : WorkerCommand;

    /// <summary>Look again: more of an expected prompt can be copied.</summary>
    public sealed record Wake : WorkerCommand
    {
        public static Wake Instance { get; } = new();
    }

    /// <summary>End a sequence whose abort was requested; nothing happens where it is not here.</summary>
    public sealed record Abort(Sequence Sequence) : WorkerCommand;

    /// <summary>Forget every cached prefix that no sequence uses.</summary>
    public sealed record FlushCache : WorkerCommand;

    /// <summary>
    /// Act between two batches, and arrive; a worker that has failed or is closed only arrives.
    /// </summary>
    public sealed record Do(Action<Worker> Act, Rendezvous Rendezvous) : WorkerCommand;

    /// <summary>Fail, as if a bug had been found; for tests of faults.</summary>
    public sealed record Die(Exception Cause) : WorkerCommand;
}
