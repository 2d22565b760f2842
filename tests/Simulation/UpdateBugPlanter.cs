using System.Runtime.CompilerServices;

namespace PdEngine.Tests;

/// <summary>Does what bugs of weight updates would do to the state.</summary>
internal sealed class UpdateBugPlanter(PlantedBug bug, SimulatedCluster cluster, List<SimulatedCall> live)
{
    private readonly List<(KvHold Hold, int Epoch)> _forged = [];
    private (KvDomain Domain, RadixNode Root, PrefixLock Held)? _stale;
    private bool _done;

    public bool StartsWithOldWeights => bug == PlantedBug.RestartedWithOldWeights;

    public void BeforeStep()
    {
        if (bug == PlantedBug.HandoffMatchedAcrossVersions)
            ForgeHandoffs();
        if (_done)
            return;
        if (bug == PlantedBug.RequestLostAtPause && cluster.Swap.IsPaused)
        {
            Rewrite(command => command is WorkerCommand.Submit ? Drop() : command);
        }
        if (bug != PlantedBug.ScoresKeptAcrossVersions)
            return;
        foreach (SimulatedCall call in live)
        {
            Sequence sequence = call.Sequence!;
            if (sequence is { Phase: SequencePhase.Queued, IsScoring: true, InputLogProbs.Count: > 0 })
                sequence.ScoreEpoch = cluster.Swap.Current.Number;
        }
    }

    public void AfterStep()
    {
        foreach ((KvHold hold, int epoch) in _forged)
            hold.Epoch = epoch;
        _forged.Clear();
    }

    /// <summary>Workers have been asked to pause.</summary>
    public void AfterPause()
    {
        if (bug == PlantedBug.PauseIgnored && !_done)
            Rewrite(command => command is WorkerCommand.Do act ? Disarm(act) : command);
    }

    public void BeforeSwap()
    {
        if (bug != PlantedBug.StalePrefixFound || _done)
            return;
        foreach (KvDomain domain in cluster.Domains)
        {
            RadixNode root = Root(domain.Cache);
            if (root.Children.FirstOrDefault() is not { } node)
                continue;
            BlockTable table = new();
            PrefixLock held = domain.Cache.MatchAndLock(
                node.Tokens(domain.Pool.PageSize), int.MaxValue, table);
            foreach (int block in table.Blocks)
                domain.Pool.Release(block);
            _stale = (domain, root, held);
            return;
        }
    }

    /// <summary>Workers have been asked to take other weights.</summary>
    public void AfterSwap()
    {
        if (bug == PlantedBug.UpdateMissed && !_done)
            Rewrite(command => command is WorkerCommand.Do act ? Disarm(act) : command);
        if (_stale is not { } stale)
            return;
        RetiredRoots(stale.Domain.Cache).Remove(stale.Root);
        Root(stale.Domain.Cache) = stale.Root;
        stale.Domain.Cache.Unlock(stale.Held);
        _stale = null;
        _done = true;
    }

    /// <summary>Every worker has the weights.</summary>
    public void BeforeContinue()
    {
        if (bug == PlantedBug.RunnerKeepsOldWeights && !_done)
        {
            cluster.Runner(0).Epoch--;
            _done = true;
        }
        if (bug != PlantedBug.MixedBlocksCached)
            return;
        foreach (SimulatedCall call in live)
        {
            if (call.Sequence!.Blocks.Count > 0)
                call.Sequence.Kv.Epoch = cluster.Swap.Current.Number;
        }
    }

    [UnsafeAccessor(UnsafeAccessorKind.Field, Name = "_root")]
    private static extern ref RadixNode Root(RadixCache cache);

    [UnsafeAccessor(UnsafeAccessorKind.Field, Name = "_retiredRoots")]
    private static extern ref List<RadixNode> RetiredRoots(RadixCache cache);

    /// <summary>What a target would do that does not look at what the source has.</summary>
    private void ForgeHandoffs()
    {
        foreach (WorkerSlot slot in cluster.Slots)
        {
            foreach (Handoff? handoff in EngineInternals.Live(slot.Worker).Values)
            {
                if (handoff?.Transfer is null || handoff.SourceHold.Epoch == cluster.Swap.Current.Number)
                    continue;
                _forged.Add((handoff.SourceHold, handoff.SourceHold.Epoch));
                handoff.SourceHold.Epoch = cluster.Swap.Current.Number;
            }
        }
    }

    private WorkerCommand? Drop()
    {
        _done = true;
        return null;
    }

    private WorkerCommand.Do Disarm(WorkerCommand.Do command)
    {
        _done = true;
        return command with { Act = _ => { } };
    }

    private void Rewrite(Func<WorkerCommand, WorkerCommand?> change)
    {
        foreach (WorkerSlot slot in cluster.Slots)
        {
            if (_done || EngineInternals.Commands(slot.Worker).IsEmpty)
                continue;
            EngineInternals.Rewrite(slot.Worker, command =>
            {
                WorkerCommand? changed = _done ? command : change(command);
                return changed is null ? [] : [changed];
            });
        }
    }
}
