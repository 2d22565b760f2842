using System.Threading.Channels;

namespace PdEngine.Host;

/// <summary>
/// Gives an offline batch to the engine no faster than it takes it: requests go in one after the other, and
/// where a queue is full the first in line waits until another has started or ended.
/// </summary>
/// <param name="engine">Who answers.</param>
/// <param name="mostRequests">Under way at once.</param>
internal sealed class BatchDoor(Engine engine, int mostRequests)
{
    /// <summary>A queue can empty without news: a hand-off ends between two tokens.</summary>
    private static readonly TimeSpan LongestWait = TimeSpan.FromMilliseconds(100);

    // Channels as places: who writes has one, who reads gives one back; the first in line gets the next.
    private readonly Channel<bool> _places = Channel.CreateBounded<bool>(mostRequests);
    private readonly Channel<bool> _turn = Channel.CreateBounded<bool>(1);
    private TaskCompletionSource _news = NewNews();

    /// <summary>Generates to the end, once there is room.</summary>
    /// <exception cref="CapacityException">It can never fit.</exception>
    /// <exception cref="RequestException">It asks for weights that will not come.</exception>
    /// <inheritdoc cref="Engine.GenerateAsync(GenerateRequest, CancellationToken)" path="/exception"/>
    public async Task<Generation> GenerateAsync(GenerateRequest request, CancellationToken cancellation)
    {
        ThrowIfOfOtherWeights(request);
        await _places.Writer.WriteAsync(true, cancellation).ConfigureAwait(false);
        try
        {
            TokenStream stream = await SubmitAsync(request, cancellation).ConfigureAwait(false);
            await foreach (TokenChunk _ in stream.WithCancellation(cancellation).ConfigureAwait(false))
                break;
            Announce();
            using CancellationTokenRegistration registration = cancellation.Register(stream.Abort);
            Generation generation = await stream.Completion.ConfigureAwait(false);
            cancellation.ThrowIfCancellationRequested();
            return generation;
        }
        finally
        {
            _places.Reader.TryRead(out _);
            Announce();
        }
    }

    /// <summary>Weights do not change under a batch: who waits for others would wait for ever.</summary>
    private void ThrowIfOfOtherWeights(GenerateRequest request)
    {
        string present = engine.Models[0].WeightVersion;
        bool isReached = request.MinWeightVersion is not { } least || least == present
            || (ulong.TryParse(least, out ulong wanted) && ulong.TryParse(present, out ulong now)
                && wanted <= now);
        if (isReached && (request.ExactWeightVersion ?? present) == present)
            return;
        throw new RequestException(
            isReached ? "exact_weight_version" : "min_weight_version",
            $"the weights are of version '{present}', and no others come while a batch runs");
    }

    private async Task<TokenStream> SubmitAsync(GenerateRequest request, CancellationToken cancellation)
    {
        await _turn.Writer.WriteAsync(true, cancellation).ConfigureAwait(false);
        try
        {
            while (true)
            {
                // Taken before the attempt: what ends during it counts.
                Task news = Volatile.Read(ref _news).Task;
                try
                {
                    return engine.Stream(request);
                }
                catch (CapacityException error) when (error.CanRetry)
                {
                    await Task.WhenAny(news, Task.Delay(LongestWait, cancellation)).ConfigureAwait(false);
                    cancellation.ThrowIfCancellationRequested();
                }
            }
        }
        finally
        {
            _turn.Reader.TryRead(out _);
        }
    }

    private void Announce() => Interlocked.Exchange(ref _news, NewNews()).SetResult();

    private static TaskCompletionSource NewNews() => new(TaskCreationOptions.RunContinuationsAsynchronously);
}
