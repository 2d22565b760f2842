namespace PdEngine.Host;

/// <summary>Whether the server is well.</summary>
internal static class HealthRoutes
{
    public static Task HealthAsync(HttpCall call)
    {
        ThrowIfUnwell(call);
        return call.WriteTextAsync("OK");
    }

    /// <summary>
    /// Makes a token. A service that was paused, or whose memory is on loan, is well: it was asked to make
    /// none.
    /// </summary>
    public static async Task GenerateAsync(HttpCall call)
    {
        ThrowIfUnwell(call);
        if (!call.Model.IsPaused)
            await MakeTokenAsync(call).ConfigureAwait(false);
        await call.WriteTextAsync("OK").ConfigureAwait(false);
    }

    private static async Task MakeTokenAsync(HttpCall call)
    {
        TokenStream stream = call.Model.Stream(new GenerateRequest
        {
            InputIds = new[] { 0 },
            Sampling = new SamplingParams
            {
                MaxNewTokens = call.Model.IsReward ? 0 : 1, Temperature = 0, IgnoreEos = true,
            },
        });
        try
        {
            Generation made = await stream.Completion.WaitAsync(call.Server.Options.HealthTimeout, call.Gone)
                .ConfigureAwait(false);
            if (made.Error is { } error)
                throw new HttpRefusal(503, "unavailable_error", error.Message);
        }
        catch (TimeoutException)
        {
            double seconds = call.Server.Options.HealthTimeout.TotalSeconds;
            throw new HttpRefusal(503, "unavailable_error", $"no token came within {seconds} s");
        }
        finally
        {
            stream.Abort();
        }
    }

    private static void ThrowIfUnwell(HttpCall call)
    {
        if (call.Server.IsDraining)
            throw HttpRefusal.Draining();
        if (!call.Model.Workers.Any(worker => worker.IsAlive))
        {
            throw new HttpRefusal(503, "unavailable_error",
                $"every worker of service '{call.Model.Name}' has failed");
        }
    }
}
