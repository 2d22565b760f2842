namespace PdEngine;

/// <summary>
/// Acts on what other threads have asked of a worker, between two batches. Belongs to the worker's thread, or
/// to the one that took the worker away from it.
/// </summary>
internal sealed class WorkerInbox(
    Worker worker, WorkerMailbox mailbox, StepScheduler scheduler, HandoffReceiver receiver,
    LiveSequences live, SequenceEnding ending, StepRun step, TimeProvider clock)
{
    private readonly List<Sequence> _aborting = [];

    /// <summary>Acts on every command, and then ends what was to be aborted.</summary>
    /// <param name="hasStarted">A batch is started whose results are not applied.</param>
    /// <returns>False at a command that is not to find one so: it is still to be acted on.</returns>
    public bool TryDrain(bool hasStarted)
    {
        while (mailbox.TryPeek(out WorkerCommand? command))
        {
            if (hasStarted && command is WorkerCommand.Do or WorkerCommand.Die)
                return false;
            mailbox.Take();
            switch (command)
            {
                case WorkerCommand.Submit submit:
                    Receive(submit.Sequence, submit.Handoff);
                    break;
                case WorkerCommand.Expect expect when !worker.IsDead:
                    receiver.Expect(expect.Handoff, expect.Tokens, live.NextArrival());
                    break;
                case WorkerCommand.Adopt adopt:
                    Adopt(adopt.Handoff);
                    break;
                case WorkerCommand.Cancel cancel:
                    receiver.TryDrop(cancel.Handoff);
                    break;
                case WorkerCommand.Abort abort when live.Contains(abort.Sequence):
                    _aborting.Add(abort.Sequence);
                    break;
                case WorkerCommand.FlushCache:
                    worker.Space.Flush();
                    break;
                case WorkerCommand.Do act:
                    Act(act);
                    break;
                case WorkerCommand.Die die when !worker.IsDead:
                    worker.Fail(die.Cause);
                    return true;
            }
        }
        EndAborted();
        return true;
    }

    /// <summary>The sequences are being lost.</summary>
    public void ForgetAborts() => _aborting.Clear();

    /// <summary>Requests for the very weights that are gone end with what they have.</summary>
    public void EndOutdated()
    {
        foreach (Sequence sequence in live.ToArray())
        {
            if (IsOutdated(sequence))
                ending.End(sequence, FinishReason.Abort);
        }
    }

    private bool IsOutdated(Sequence sequence)
    {
        if (sequence.Request.ExactWeightVersion is not { } wanted || wanted == worker.Epoch.Version)
            return false;
        sequence.AbortCause ??= new WeightVersionMismatchException(wanted, worker.Epoch.Version);
        return true;
    }

    private void EndAborted()
    {
        foreach (Sequence sequence in _aborting)
        {
            if (live.Contains(sequence))
                ending.End(sequence, FinishReason.Abort);
        }
        _aborting.Clear();
    }

    private void Act(WorkerCommand.Do command)
    {
        try
        {
            EndAborted();
            if (!worker.IsEnding)
                command.Act(worker);
        }
        finally
        {
            command.Rendezvous.Arrive();
        }
    }

    private void Receive(Sequence sequence, Handoff? handoff)
    {
        live.Add(sequence, handoff);
        if (worker.Failure is { } error)
        {
            ending.Lose(sequence, error);
            return;
        }
        if (sequence.WasAdmitted)
            scheduler.AddRetracted(sequence);
        else
            scheduler.Add(sequence);
        if (sequence.AbortRequested || IsOutdated(sequence))
            ending.End(sequence, FinishReason.Abort);
    }

    private void Adopt(Handoff handoff)
    {
        Sequence sequence = handoff.Sequence;
        live.Add(sequence, handoff);
        sequence.Pd.DecodeWorker = worker.Name;
        sequence.Pd.HandoffTicks +=
            clock.GetTimestamp() - Math.Max(sequence.Times.StageStartTicks, step.EndTicks);
        if (worker.Failure is { } error)
        {
            handoff.Source.Space.Release(handoff.SourceHold);
            ending.Lose(sequence, error);
            return;
        }
        if (handoff.Transfer is not null)
        {
            receiver.Complete(handoff);
        }
        else
        {
            sequence.Times.Enter(SequenceStage.DecodeAllocWait, clock.GetTimestamp());
            scheduler.AddArrived(sequence);
        }
        if (sequence.AbortRequested || IsOutdated(sequence))
            ending.End(sequence, FinishReason.Abort);
    }
}
