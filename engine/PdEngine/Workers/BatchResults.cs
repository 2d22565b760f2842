namespace PdEngine;

/// <summary>
/// Takes the results of a worker's batch over into its sequences: they grow, fork, move on or end. Belongs to
/// the worker's thread.
/// </summary>
internal sealed class BatchResults(
    Worker worker, IModelRunner runner, StepScheduler scheduler, LiveSequences live,
    HandoffSender sender, SequenceEnding ending, WorkerCounters counters, TimeProvider clock,
    int contextTokens)
{
    private readonly List<Sequence> _leaving = [];

    public void Apply(ForwardBatch batch)
    {
        int forkCount = 0;
        for (int i = 0; i < batch.Sequences.Length; i++)
        {
            Sequence sequence = batch.Sequences[i];
            SliceRows rows = batch.SliceRows[i];
            sequence.ComputedCount += batch.Attention.Slices[i].QueryCount;
            sequence.ComputedBy = worker.Epoch;
            LogProbs.StoreInput(sequence, batch.Samples, rows);
            if (sequence.Phase == SequencePhase.Prefilling)
                ApplyChunk(sequence, rows.DrawCount > 0);
            if (sequence.ComputedCount < sequence.TokenCount)
            {
                EndIfLate(sequence);
                continue;
            }
            forkCount += ApplyForks(batch, i, forkCount, sequence);
            if (rows.RewardRow >= 0)
                sequence.Reward = batch.Rewards[rows.RewardRow];
            if (rows.DrawCount > 0)
                Append(sequence, batch.Samples, rows.FirstRow + rows.ScoreCount);
            else
                ending.End(sequence, FinishReason.Length);
            NoteIfLeaving(sequence);
        }
        // All at once, so that the decode worker's next step has all of them.
        foreach (Sequence sequence in _leaving)
            HandOver(sequence);
        _leaving.Clear();
    }

    /// <summary>Sequences with the same prompt go on from it; it still holds its blocks.</summary>
    /// <returns>How many.</returns>
    private int ApplyForks(ForwardBatch batch, int slice, int first, Sequence prompt)
    {
        int count = 0;
        ReadOnlySpan<BatchFork> forks = batch.Forks;
        for (; first + count < forks.Length && forks[first + count].Slice == slice; count++)
        {
            (Sequence sequence, _, int row) = forks[first + count];
            worker.Space.Fork(prompt.Kv, sequence.TokenCount, sequence.Kv);
            if (sequence.TokenCount % worker.Space.PageSize != 0)
                runner.CopyBlock(prompt.Blocks.Blocks[^1], sequence.Blocks.Blocks[^1]);
            sequence.ComputedCount = sequence.TokenCount;
            ApplyChunk(sequence, draws: true);
            Append(sequence, batch.Samples, row);
            NoteIfLeaving(sequence);
        }
        return count;
    }

    private void ApplyChunk(Sequence sequence, bool draws)
    {
        if (sequence.ComputedCount == sequence.TokenCount)
        {
            live.EndPending(sequence);
            if (!draws || live.HandoffOf(sequence) is null)
            {
                scheduler.FinishPrefill(sequence);
                return;
            }
            scheduler.BeginHandoff(sequence);
        }
        sender.Continue(sequence);
    }

    private void NoteIfLeaving(Sequence sequence)
    {
        if (sequence.Phase == SequencePhase.HandingOff)
            _leaving.Add(sequence);
    }

    private void HandOver(Sequence sequence)
    {
        if (!sender.TryPass(sequence))
            scheduler.StartDecoding(sequence);
    }

    /// <summary>It was to end while its batch was computed: nothing that is drawn counts any more.</summary>
    private bool EndIfLate(Sequence sequence)
    {
        if (sequence.Ending is not { } reason)
            return false;
        ending.End(sequence, reason);
        return true;
    }

    private void Append(Sequence sequence, SampleBatch samples, int row)
    {
        if (EndIfLate(sequence))
            return;
        sequence.Append(samples.Results[row].Token);
        sequence.Versions.Count(worker.Epoch);
        sequence.HasMixedKv |= sequence.Kv.Epoch != worker.Epoch.Number;
        LogProbs.StoreOutput(sequence, samples, row);
        counters.CountGenerated(1);
        if (sequence.OutputCount == 1)
            sequence.Times.FirstTokenTicks = clock.GetTimestamp();
        string? stopText = sequence.Observer.OnToken(sequence);
        if (StopRule.Apply(sequence, stopText, contextTokens) is { } reason)
            ending.End(sequence, reason);
        else if (sequence.Phase == SequencePhase.Decoding)
            sequence.Pd.DecodeWorker = worker.Name;
    }
}
