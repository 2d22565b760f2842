namespace PdEngine.Host;

/// <summary>Streams the choices of a call side by side, and what was used behind them.</summary>
internal static class OpenAiStream
{
    public static async Task RunAsync(
        HttpCall call, OpenAiAsk ask, SampleSet samples, OpenAiFrame frame,
        Func<EventStream, Sample, IChoiceStream> open)
    {
        using EventStream events = new(call);
        await StreamEach.RunAsync(samples, async sample =>
        {
            using PaceTurn turn = call.Server.Pace.Join(sample.Stream.Completion);
            IChoiceStream choice = open(events, sample);
            await choice.BeginAsync().ConfigureAwait(false);
            await foreach (TokenChunk chunk in sample.Stream.ConfigureAwait(false))
            {
                await choice.AddAsync(chunk).ConfigureAwait(false);
                if (!sample.Stream.Completion.IsCompleted)
                    await turn.NextAsync().ConfigureAwait(false);
            }
            Generation generation = await sample.Stream.Completion.ConfigureAwait(false);
            if (GenerateRoute.Failed(generation))
            {
                await events.SendAsync(json => ErrorWriter.Write(json, GenerateRoute.Failure(generation)))
                    .ConfigureAwait(false);
            }
            else
            {
                await choice.EndAsync(generation).ConfigureAwait(false);
            }
        }).ConfigureAwait(false);
        if (ask.SendsUsage)
        {
            Generation[] generations = await samples.FinishAsync().ConfigureAwait(false);
            await events.SendAsync(json => frame.WriteUsageEvent(json, generations)).ConfigureAwait(false);
        }
        await events.EndAsync().ConfigureAwait(false);
    }
}
