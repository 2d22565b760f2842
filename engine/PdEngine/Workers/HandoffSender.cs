namespace PdEngine;

/// <summary>
/// The sending side of hand-offs: between domains it announces a prompt, lends what is computed, and in the
/// end passes the sequence on. Belongs to the source worker's thread.
/// </summary>
internal sealed class HandoffSender(KvSpace space, LiveSequences live)
{
    /// <summary>The prompt has been admitted here: its target may reserve blocks and copy.</summary>
    public void Announce(Sequence sequence)
    {
        if (!live.TryGetTransfer(sequence, out Handoff? handoff))
            return;
        handoff.SourceHold = sequence.Kv;
        Lend(sequence);
        if (handoff.Target.TryPost(new WorkerCommand.Expect(handoff, sequence.Tokens.ToArray())))
            return;
        space.EndLoan(sequence.Kv);
        sequence.Pd.Reason = PdReasons.DecodeWorkerFailed;
        live.Redirect(sequence, null);
    }

    /// <summary>More of the prompt is computed.</summary>
    public void Continue(Sequence sequence)
    {
        if (!live.TryGetTransfer(sequence, out Handoff? handoff))
            return;
        Lend(sequence);
        handoff.Target.TryPost(WorkerCommand.Wake.Instance);
    }

    /// <summary>
    /// Lends what a started batch will have computed: the target's copies wait for it layer by layer, while
    /// the later ones are computed.
    /// </summary>
    public void LendStarted(ForwardBatch batch)
    {
        for (int i = 0; i < batch.Sequences.Length; i++)
        {
            Sequence sequence = batch.Sequences[i];
            if (sequence.Phase != SequencePhase.Prefilling
                || !live.TryGetTransfer(sequence, out Handoff? handoff))
            {
                continue;
            }
            AttentionSlice slice = batch.Attention.Slices[i];
            space.Lend(sequence.Kv, (slice.Start + slice.QueryCount) / space.PageSize);
            handoff.Target.TryPost(WorkerCommand.Wake.Instance);
        }
    }

    /// <summary>
    /// Passes a sequence on whose prompt is computed; false where the target takes no more, and it stays.
    /// </summary>
    public bool TryPass(Sequence sequence)
    {
        Handoff handoff = live.HandoffOf(sequence)!;
        bool copies = handoff.Transfer is not null;
        KvHold hold = sequence.Kv;
        sequence.Pd.Path = copies ? PdPath.Copy : PdPath.Handoff;
        sequence.Pd.HandoffBlocks += hold.Blocks.Count;
        if (copies)
            sequence.Kv = new();
        // Once it is posted the sequence is the target's, which may already have sent it elsewhere.
        live.Remove(sequence);
        if (handoff.Target.TryPost(new WorkerCommand.Adopt(handoff)))
            return true;
        live.CountExpected(1);
        live.Add(sequence, null);
        space.EndLoan(hold);
        sequence.Kv = hold;
        sequence.Pd.Path = PdPath.Local;
        sequence.Pd.Reason = PdReasons.DecodeWorkerFailed;
        sequence.Pd.HandoffBlocks -= hold.Blocks.Count;
        return false;
    }

    /// <summary>A sequence that leaves before its hand-off: its target must not wait for it.</summary>
    public static void Cancel(Handoff handoff)
    {
        handoff.Abandon();
        if (handoff.Transfer is null)
            return;
        // Until the target hears of it, it looks into the old hold: that must not come to life again.
        handoff.Sequence.Kv = new();
        handoff.Target.TryPost(new WorkerCommand.Cancel(handoff));
    }

    /// <summary>Lends what is computed and will not be written again.</summary>
    private void Lend(Sequence sequence)
    {
        int blockCount = sequence.Phase == SequencePhase.HandingOff
            ? sequence.Blocks.Count
            : sequence.ComputedCount / space.PageSize;
        space.Lend(sequence.Kv, blockCount);
    }
}
