namespace PdEngine.Bench;

/// <summary>How fast each kernel is, against what the card does at most and against PyTorch.</summary>
internal sealed class KernelStage(CheckRig rig, CheckJournal journal, CheckSettings settings) : ICheckStage
{
    public string Name => "kernels";

    public IEnumerable<CheckCase> Cases()
    {
        TorchPeer peer = new(journal, settings);
        Lazy<CublasPeer> cublas = new(() => new CublasPeer(rig, settings));
        CeilingRows ceilings = new(rig, journal, cublas);
        // They name what PyTorch is to time, in one process before all.
        int size = settings.Scale.CeilingProduct;
        peer.AddMatMul(size, size, size);
        CheckCase[] attention = [.. new AttentionRows(rig, ceilings, peer).Cases()];
        CheckCase[] products = [.. new ProductRows(rig, ceilings, peer, cublas).Cases()];
        CheckCase[] all =
        [
            peer.Case(), .. ceilings.Cases(),
            .. CheckTargets.First(
            [
                .. new KernelFacts(rig).Cases(), .. attention, .. products,
                .. new SmallRows(rig, ceilings).Cases(), .. new TransferRows(rig, ceilings).Cases(),
                .. new CandidateRows(rig, journal, settings, ceilings, cublas).Cases(),
            ]),
        ];
        foreach (CheckCase one in all)
            yield return one;
        if (cublas.IsValueCreated)
            cublas.Value.Dispose();
    }
}
