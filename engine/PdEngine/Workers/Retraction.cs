namespace PdEngine;

/// <summary>
/// How sequences of a worker give their blocks back and queue again: where they came from, or here. Belongs
/// to the worker's thread.
/// </summary>
internal sealed class Retraction(
    Worker worker, StepScheduler scheduler, HandoffReceiver receiver, LiveSequences live)
{
    /// <summary>Every sequence that holds blocks gives them back, those still being copied too.</summary>
    public void RetractAll()
    {
        foreach (Sequence sequence in live.ToArray().OrderBy(sequence => sequence.Arrival))
            Retract(sequence);
        Place();
    }

    /// <summary>
    /// The same for those with prompt tokens left to score: all scores of a result are of one version.
    /// </summary>
    public void RetractScoring()
    {
        foreach (Sequence sequence in live.ToArray().OrderBy(sequence => sequence.Arrival))
        {
            if (sequence.IsScoring)
                Retract(sequence);
        }
        Place();
    }

    /// <summary>Queues what the scheduler has retracted.</summary>
    public void Place()
    {
        foreach (Sequence sequence in scheduler.Retracted)
        {
            Handoff? handoff = live.HandoffOf(sequence);
            if (handoff is not null && handoff.Target == worker && TrySendBack(sequence, handoff))
                continue;
            bool isSource = handoff is not null && handoff.Source == worker;
            live.Redirect(sequence, isSource ? handoff!.Again() : null);
            if (isSource)
                HandoffSender.Cancel(handoff!);
            scheduler.AddRetracted(sequence);
        }
        scheduler.Retracted.Clear();
    }

    private void Retract(Sequence sequence)
    {
        if (sequence.Phase == SequencePhase.Queued)
            return;
        if (live.HandoffOf(sequence) is { } handoff && handoff.Target == worker && receiver.TryDrop(handoff))
        {
            sequence.ComputedCount = 0;
            scheduler.QueueAgain(sequence);
        }
        else
            scheduler.Retract(sequence);
    }

    private bool TrySendBack(Sequence sequence, Handoff handoff)
    {
        if (handoff.Source.IsDead)
            return false;
        Handoff again = handoff.Again();
        live.Remove(sequence);
        if (handoff.Source.TryResubmit(sequence, again))
            return true;
        again.Abandon();
        live.CountExpected(1);
        live.Add(sequence, handoff);
        return false;
    }
}
