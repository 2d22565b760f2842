namespace PdEngine.Bench;

/// <summary>Whether the GPU computes what it should.</summary>
internal sealed class VerifyStage(CheckRig rig, CheckJournal journal, CheckSettings settings) : ICheckStage
{
    public string Name => "verify";

    public IEnumerable<CheckCase> Cases()
    {
        using IBackend reference = Backends.Open(BackendKind.Reference, CpuIsa.Auto, threadCount: null);
        IEnumerable<CheckCase> cases = new OpTrials(rig, reference).Cases()
            .Concat(new AttentionTrials(rig, reference).Cases())
            .Concat(new ParityTrials(rig).Cases())
            .Concat(new CopyTrials(rig).Cases())
            .Concat(new EngineTrials(rig).Cases())
            .Concat(new LibraryTrials(rig, settings).Cases())
            .Concat(new SanitizerTrials(settings).Cases())
            // Last: what no engine uses may cost it the GPU.
            .Concat(new CandidateTrials(rig, journal, settings).Cases());
        foreach (CheckCase one in CheckTargets.First(cases))
            yield return one;
    }
}
