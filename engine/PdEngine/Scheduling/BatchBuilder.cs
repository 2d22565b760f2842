namespace PdEngine;

/// <summary>Flattens what the schedulers chose into a batch that knows no phase.</summary>
internal static class BatchBuilder
{
    /// <summary>
    /// Adds the next tokens of a sequence, after those of a started batch, and the rows wanted of them.
    /// </summary>
    /// <param name="batch">The batch.</param>
    /// <param name="sequence">Has blocks for the tokens.</param>
    /// <param name="tokenCount">How many.</param>
    /// <param name="pageSize">Positions per block.</param>
    public static void Add(ForwardBatch batch, Sequence sequence, int tokenCount, int pageSize)
    {
        int start = sequence.ComputedCount + (sequence.IsStarted ? 1 : 0);
        int firstToken = batch.AddSlice(sequence, start, tokenCount, pageSize);
        SampleRowWriter.Write(batch, sequence, firstToken, start, tokenCount);
    }

    /// <summary>Adds a draw of a sequence whose tokens are those of the slice added last.</summary>
    public static void AddFork(ForwardBatch batch, Sequence sequence)
    {
        SampleRowWriter.WriteFork(batch, sequence);
        batch.AddFork(sequence);
    }
}
