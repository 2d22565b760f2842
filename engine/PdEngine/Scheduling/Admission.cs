namespace PdEngine;

/// <summary>
/// What can never be served, known at the door. With it a sequence that runs alone always finishes, so
/// running out of blocks only ever delays. Reads nothing that changes, so any thread may ask.
/// </summary>
internal sealed class Admission(string worker, SchedulerOptions options, KvSpace space)
{
    /// <exception cref="CapacityException">Prompt and output together exceed the context or the whole
    /// pool.</exception>
    public void ThrowIfNeverFits(Request request)
    {
        int promptTokens = request.PromptTokens.Length;
        int newTokens = request.Sampling.MaxNewTokens;
        long tokens = (long)promptTokens + newTokens;
        if (tokens > options.ContextTokens)
        {
            throw new CapacityException(
                $"The prompt has {promptTokens} tokens and max_new_tokens is {newTokens}, {tokens} together; "
                + $"worker '{worker}' takes {options.ContextTokens}. Shorten the prompt, lower "
                + "max_new_tokens or raise context_length.");
        }
        long kvTokens = promptTokens + Math.Max(newTokens, 1) - 1L;
        long blocks = (kvTokens + space.PageSize - 1) / space.PageSize;
        if (blocks > space.CapacityBlocks)
        {
            throw new CapacityException(
                $"A prompt of {promptTokens} tokens with max_new_tokens {newTokens} needs {blocks} KV blocks "
                + $"of {space.PageSize} tokens; worker '{worker}' has {space.CapacityBlocks}. Lower "
                + "max_new_tokens or raise max_total_tokens or mem_fraction_static.");
        }
    }

    /// <exception cref="CapacityException">The queue is at its bound.</exception>
    public void ThrowIfQueueFull(int queuedCount)
    {
        if (options.MaxQueuedSequences is { } bound && queuedCount > bound)
        {
            throw new CapacityException(
                $"queue full: worker '{worker}' has {bound} sequences waiting, as many as "
                + "max_queued_requests allows. Try again later or raise it.") { CanRetry = true };
        }
    }
}
