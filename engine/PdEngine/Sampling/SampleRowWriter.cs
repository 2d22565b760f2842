namespace PdEngine;

/// <summary>
/// Says what is to be drawn and scored from a slice's rows. Prompt and output tokens have one definition: the
/// row at position p - 1 gives the token at p, its history is tokens [0, p), of which those before <see
/// cref="Request.PenaltyPromptCount"/> count as prompt, and from there on stop ids are suppressed for
/// MinNewTokens positions.
/// </summary>
internal static class SampleRowWriter
{
    /// <summary>Adds the rows of the batch's last slice.</summary>
    /// <param name="batch">Holds the slice; gains its rows.</param>
    /// <param name="sequence">The slice's sequence.</param>
    /// <param name="firstToken">Index in the batch of the slice's first token.</param>
    /// <param name="start">Position of that token.</param>
    /// <param name="count">Tokens in the slice.</param>
    public static void Write(ForwardBatch batch, Sequence sequence, int firstToken, int start, int count)
    {
        int end = start + count;
        if (sequence.Request.WantsReward)
        {
            if (end == sequence.TokenCount)
                batch.WantReward();
            return;
        }
        int scoreStart = sequence.ScoreStart;
        int scoreEnd = Math.Min(end, sequence.ScoreEnd);
        Check.That(scoreStart >= start || scoreStart >= scoreEnd);
        int scoreCount = Math.Max(0, scoreEnd - scoreStart);
        bool draws = end == sequence.StartedTokenCount && sequence.Request.Sampling.MaxNewTokens > 0;
        if (scoreCount == 0 && !draws)
            return;

        DrawTemplate template = sequence.Draws;
        SampleRow row = template.Row;
        row.FirstBias = batch.Samples.AppendBias(template.BiasIds, template.BiasValues);
        int lastPosition = draws ? end : scoreEnd;
        if (template.HasPenalty)
            row.FirstHistory = AppendHistory(batch.Samples, sequence, lastPosition);
        int firstPosition = scoreCount > 0 ? scoreStart + 1 : end;
        bool suppresses = firstPosition < template.SuppressedEnd
            && lastPosition >= sequence.Request.PenaltyPromptCount;
        if (suppresses)
            row.FirstSuppressed = batch.Samples.AppendSuppressed(sequence.Request.StopTokenIds);

        for (int position = scoreStart + 1; position <= scoreEnd; position++)
        {
            row.TopCount = sequence.Request.TopLogProbCount;
            row.Target = sequence.Tokens[position];
            AddRow(batch, sequence, row, firstToken + position - 1 - start, position);
        }
        if (draws)
        {
            row.TopCount = sequence.Request.ReturnLogProb ? sequence.Request.TopLogProbCount : 0;
            row.Target = -1;
            AddRow(batch, sequence, row, firstToken + count - 1, end);
        }
        batch.SetSliceRows(scoreCount, draws ? 1 : 0);
    }

    /// <summary>Adds a draw of another sequence with the same tokens from the batch's last row.</summary>
    public static void WriteFork(ForwardBatch batch, Sequence sequence)
    {
        DrawTemplate template = sequence.Draws;
        SampleRow row = template.Row;
        row.FirstBias = batch.Samples.AppendBias(template.BiasIds, template.BiasValues);
        if (template.HasPenalty)
            row.FirstHistory = batch.Samples.AppendHistory(sequence.Tokens);
        int position = sequence.TokenCount;
        if (position < template.SuppressedEnd && position >= sequence.Request.PenaltyPromptCount)
            row.FirstSuppressed = batch.Samples.AppendSuppressed(sequence.Request.StopTokenIds);
        row.TopCount = sequence.Request.ReturnLogProb ? sequence.Request.TopLogProbCount : 0;
        row.Target = -1;
        row.LogitsRow = batch.LogitsRowCount - 1;
        Complete(batch, sequence, row, position);
    }

    /// <returns>Index of the first.</returns>
    private static int AppendHistory(SampleBatch samples, Sequence sequence, int count)
    {
        int knownCount = Math.Min(count, sequence.TokenCount);
        int first = samples.AppendHistory(sequence.Tokens[..knownCount]);
        if (knownCount < count)
            samples.AppendHistory([-1 - sequence.StartedRow]);
        return first;
    }

    private static void AddRow(ForwardBatch batch, Sequence sequence, SampleRow row, int token, int position)
    {
        row.LogitsRow = batch.WantLogits(token);
        Complete(batch, sequence, row, position);
    }

    private static void Complete(ForwardBatch batch, Sequence sequence, SampleRow row, int position)
    {
        int promptCount = sequence.Request.PenaltyPromptCount;
        row.Position = position;
        if (sequence.Draws.HasPenalty)
        {
            row.HistoryCount = position;
            row.PromptCount = Math.Min(promptCount, position);
        }
        if (position >= promptCount && position < sequence.Draws.SuppressedEnd)
            row.SuppressedCount = sequence.Request.StopTokenIds.Length;
        batch.Samples.AddRow(row);
    }
}
