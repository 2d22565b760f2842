namespace PdEngine;

/// <summary>
/// How sequences leave a worker other than by hand-off: finished, aborted, or lost with a fault. Belongs to
/// the worker's thread, or to the one that took the worker away from it.
/// </summary>
internal sealed class SequenceEnding(
    Worker worker, StepScheduler scheduler, HandoffReceiver receiver, LiveSequences live,
    WorkerCounters counters, TimeProvider clock, Worker.Rescue? rescue)
{
    /// <summary>
    /// Ends a sequence with what it has; its blocks stay findable. One that a started batch has ends when
    /// that batch's results are applied.
    /// </summary>
    public void End(Sequence sequence, FinishReason reason)
    {
        if (sequence.IsStarted)
        {
            sequence.Ending ??= reason;
            return;
        }
        reason = sequence.Ending ?? reason;
        Handoff? handoff = live.HandoffOf(sequence);
        bool isLeaving = sequence.Phase == SequencePhase.HandingOff && handoff!.Source == worker;
        if (isLeaving)
        {
            if (sequence.OutputCount == 1)
                sequence.Pd.Reason = PdReasons.NothingToDecode;
            scheduler.Release(sequence, keeps: true);
        }
        else if (handoff is not null && receiver.TryDrop(handoff))
            sequence.ComputedCount = 0;
        else
            scheduler.Remove(sequence, keeps: true);
        if (handoff is not null && handoff.Source == worker)
            HandoffSender.Cancel(handoff);
        live.Remove(sequence);
        Complete(sequence, reason, error: null);
    }

    /// <summary>Takes the sequences of a batch away that failed, or that another failed beside.</summary>
    public void Lose(ForwardBatch batch, WorkerException error)
    {
        foreach (Sequence sequence in batch.Sequences)
            LoseScheduled(sequence, error);
        foreach (BatchFork fork in batch.Forks)
            LoseScheduled(fork.Sequence, error);
    }

    /// <summary>
    /// Takes a sequence out of a worker that failed under it: another worker computes it anew, or it ends
    /// with the error. The worker's schedulers are not asked.
    /// </summary>
    public void Lose(Sequence sequence, WorkerException error)
    {
        sequence.StartedRow = -1;
        ReleaseAnyhow(sequence);
        if (live.HandoffOf(sequence) is { } handoff && handoff.Source == worker)
            HandoffSender.Cancel(handoff);
        live.Remove(sequence);
        if (sequence.Ending is not null || sequence.AbortRequested)
        {
            Complete(sequence, sequence.Ending ?? FinishReason.Abort, error: null);
            return;
        }
        sequence.FailureCount++;
        if (sequence.Phase != SequencePhase.Queued)
            sequence.MoveTo(SequencePhase.Queued);
        sequence.Times.Enter(SequenceStage.PrefillQueue, clock.GetTimestamp());
        if (rescue is null || !rescue(sequence, worker, error))
            Complete(sequence, FinishReason.Error, error);
    }

    private void LoseScheduled(Sequence sequence, WorkerException error)
    {
        // It may be in both of two batches.
        if (!live.Contains(sequence))
            return;
        scheduler.Remove(sequence, keeps: false);
        Lose(sequence, error);
    }

    /// <summary>Where the counts are wrong already, its blocks are lost, but not the sequence.</summary>
    private void ReleaseAnyhow(Sequence sequence)
    {
        try
        {
            worker.Space.Release(sequence.Kv);
        }
        catch (InvariantException)
        {
            sequence.Kv = new();
        }
        sequence.ComputedCount = 0;
    }

    private void Complete(Sequence sequence, FinishReason reason, WorkerException? error)
    {
        if (sequence.WasAdmitted)
            counters.CountCached(sequence.CachedCount);
        else
            live.CountWaiting(-1);
        sequence.Times.Finish(clock.GetTimestamp());
        sequence.Finish(reason, reason == FinishReason.Abort ? sequence.AbortCause : error);
        counters.CountFinished();
        sequence.Observer.OnFinished(sequence);
    }
}
