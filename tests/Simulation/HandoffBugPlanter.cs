namespace PdEngine.Tests;

/// <summary>Does what bugs between several workers would do to their state.</summary>
internal sealed class HandoffBugPlanter(
    PlantedBug bug, SimulatedCluster cluster, List<SimulatedCall> live)
{
    private bool _done;

    public void BeforeStep()
    {
        if (_done)
            return;
        foreach (KvDomain domain in cluster.Domains)
            PlantIntoDomain(domain);
        foreach (SimulatedCall call in live)
        {
            if (!_done && !call.IsFinished)
                PlantIntoSequence(call.Sequence!);
        }
        foreach (WorkerSlot slot in cluster.Slots)
            PlantIntoCommands(slot);
    }

    private void PlantIntoDomain(KvDomain domain)
    {
        switch (bug)
        {
            case PlantedBug.StaleWriterIgnored when domain.Pool.QuarantinedCount > 0:
                EndQuarantine(domain.Pool);
                break;
            case PlantedBug.ClaimNeverEnded when domain.WorkerCount > 1 && live.Count > 0:
                _done = domain.TryClaim(this);
                break;
            case PlantedBug.TurnNeverLeft when live.Count > 0:
                domain.AwaitTurn(this);
                _done = true;
                break;
        }
    }

    private void PlantIntoSequence(Sequence sequence)
    {
        KvHold hold = sequence.Kv;
        KvDomain? domain = cluster.Domains.FirstOrDefault(d => EngineInternals.Holds(d).Contains(hold));
        if (domain is null)
            return;
        switch (bug)
        {
            case PlantedBug.LentBlockFreedEarly when hold.Loan is { Count: > 0 } loan:
                domain.Pool.Release(loan.Blocks[0]);
                _done = true;
                break;
            case PlantedBug.LentWithOldGeneration
                when hold.Loan is { } loan && loan.Count < hold.Blocks.Count:
                int block = hold.Blocks[loan.Count];
                domain.Pool.AddReference(block);
                loan.Add(block, domain.Pool.Generation(block) - 1);
                _done = true;
                break;
            case PlantedBug.LoanForgotten when hold.Loan is { Count: > 0 }:
                hold.Loan = null;
                _done = true;
                break;
            case PlantedBug.CopiedBeforeComputed when hold.Loan is { } loan:
                LendEarly(sequence, loan);
                break;
            case PlantedBug.ChargeForgotten when hold.Quota is { } quota:
                quota.ChargedBlocks++;
                _done = true;
                break;
            case PlantedBug.ChargeLeftBehind when sequence is
            {
                Phase: SequencePhase.Decoding, Pd.Path: PdPath.Handoff, Kv.ChargedCount: > 0,
            }:
                _done = Worker(sequence.Pd.PrefillWorker)?.Space.TryAdopt(hold) == true;
                break;
        }
    }

    private void PlantIntoCommands(WorkerSlot slot)
    {
        Worker worker = slot.Worker;
        if (_done || worker.IsDead)
            return;
        if (bug == PlantedBug.ExpectedForgotten && slot.Role == WorkerType.Decode)
        {
            worker.CountExpected(1);
            _done = true;
        }
        else if (!EngineInternals.Commands(worker).IsEmpty)
            EngineInternals.Rewrite(worker, command => _done ? [command] : Rewrite(command));
    }

    private IEnumerable<WorkerCommand> Rewrite(WorkerCommand command)
    {
        switch (bug, command)
        {
            case (PlantedBug.HandoffLost, WorkerCommand.Adopt):
            case (PlantedBug.CancelForgotten, WorkerCommand.Cancel):
                _done = true;
                return [];
            case (PlantedBug.HandoffTakenTwice, WorkerCommand.Adopt):
            case (PlantedBug.RescuedTwice, WorkerCommand.Submit { Sequence.FailureCount: > 0 }):
                _done = true;
                return [command, command];
            case (PlantedBug.KeptByDecodeWorker, WorkerCommand.Submit
            {
                Sequence.RetractionCount: > 0, Handoff: { } handoff,
            }):
                EngineInternals.Live(handoff.Target).TryAdd(handoff.Sequence, handoff);
                _done = true;
                return [command];
            case (PlantedBug.AbortLostOnTheWay, WorkerCommand.Adopt adopt):
                adopt.Handoff.Sequence.AbortRequested = false;
                return [command];
            case (PlantedBug.AbortLostOnTheWay, WorkerCommand.Abort { Sequence.AbortRequested: false }):
                return [];
            default:
                return [command];
        }
    }

    private void LendEarly(Sequence sequence, KvLoan loan)
    {
        int computedBlocks = sequence.ComputedCount / cluster.Domains[0].Pool.PageSize;
        bool isEarly = sequence.Phase == SequencePhase.Prefilling && loan.Count < sequence.Blocks.Count
            && loan.Count >= computedBlocks;
        if (isEarly)
            Worker(sequence.Pd.PrefillWorker)?.Space.Lend(sequence.Kv, loan.Count + 1);
    }

    private static void EndQuarantine(KvBlockPool pool)
    {
        int[] writers = EngineInternals.Writers(pool);
        for (int block = 0; block < pool.BlockCount; block++)
        {
            while (pool.ReferenceCount(block) == 0 && writers[block] > 0)
                pool.EndWrite(block, pool.Generation(block));
        }
    }

    private Worker? Worker(string name) =>
        cluster.Slots.FirstOrDefault(slot => slot.Name == name && !slot.Worker.IsDead)?.Worker;
}
