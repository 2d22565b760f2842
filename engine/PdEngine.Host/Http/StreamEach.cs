namespace PdEngine.Host;

/// <summary>Runs what streams each sample of a call; where one fails, all are aborted.</summary>
internal static class StreamEach
{
    public static async Task RunAsync(SampleSet samples, Func<Sample, Task> stream)
    {
        Task[] running = [.. samples.All.Select(async sample =>
        {
            try
            {
                await stream(sample).ConfigureAwait(false);
            }
            catch
            {
                samples.Abort();
                throw;
            }
        })];
        try
        {
            await Task.WhenAll(running).ConfigureAwait(false);
        }
        finally
        {
            // Whatever happened, what the engine still computes for this call has ended.
            await Task.WhenAll(samples.All.Select(sample => sample.Stream.Completion)).ConfigureAwait(false);
        }
    }
}
