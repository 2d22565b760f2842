namespace PdEngine.Bench;

/// <summary>One row of a model benchmark, made ready on one side: ours or a peer's.</summary>
internal interface IRowRun : IDisposable
{
    /// <summary>Untimed: puts the caches back to where a run begins.</summary>
    void Prepare();

    /// <summary>Timed: one forward pass, up to the logits that are wanted.</summary>
    void Run();
}
