using System.Diagnostics;
using PdEngine.Bench;

namespace PdEngine.Tests;

/// <summary>What HTTP takes of the engine's tokens per second, its clients in the same process.</summary>
[Explicit("prints rates; asserts nothing")]
public sealed class HttpOverheadBenchmark
{
    private const int Streams = 32;

    [TestCase("smollm2-135m", 80)]
    [TestCase("tiny", 1000)]
    public async Task Streams_beside_the_engine_alone(string shape, int tokens)
    {
        string folder = RandomModel.OfShape(shape);
        await using HttpRig rig = await HttpRig.StartAsync(folder: folder);
        List<double> alone = [], whole = [], deltas = [];
        for (int run = 0; run < 4; run++)
        {
            alone.Add(await RateAsync(tokens, index => AloneAsync(rig, index, tokens)));
            whole.Add(await RateAsync(tokens, index => StreamAsync(rig, index, tokens, "false")));
            deltas.Add(await RateAsync(tokens, index => StreamAsync(rig, index, tokens, "true")));
        }
        // The first of each warms up.
        TestContext.Out.WriteLine($"{shape}, {Streams} streams of {tokens} tokens, tokens/s: in process "
            + $"{Median(alone):F0}; HTTP, cumulative {Median(whole):F0}; HTTP, deltas {Median(deltas):F0}");
    }

    private static async Task<double> RateAsync(int tokens, Func<int, Task> stream)
    {
        long start = Stopwatch.GetTimestamp();
        await Task.WhenAll(Enumerable.Range(0, Streams).Select(stream));
        return Streams * tokens / Stopwatch.GetElapsedTime(start).TotalSeconds;
    }

    private static async Task AloneAsync(HttpRig rig, int index, int tokens)
    {
        TokenStream stream = rig.Model.Stream(new GenerateRequest
        {
            InputIds = new[] { index + 5 },
            Sampling = new SamplingParams { MaxNewTokens = tokens, IgnoreEos = true, SamplingSeed = 1 },
        });
        await foreach (TokenChunk _ in stream)
        {
        }
    }

    private static async Task StreamAsync(HttpRig rig, int index, int tokens, string sendsDeltas)
    {
        using HttpRequestMessage request = new(HttpMethod.Post, "/generate")
        {
            Content = HttpRig.Json($$"""
                {"input_ids":[{{index + 5}}],"stream":true,"incremental_streaming_output":{{sendsDeltas}},
                "sampling_params":{"max_new_tokens":{{tokens}},"ignore_eos":true,"sampling_seed":1} }
                """),
        };
        using HttpResponseMessage response =
            await rig.Client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
        await using Stream body = await response.Content.ReadAsStreamAsync();
        byte[] buffer = new byte[1 << 16];
        while (await body.ReadAsync(buffer) > 0)
        {
        }
    }

    private static double Median(List<double> rates) =>
        rates.Skip(1).Order().ElementAt((rates.Count - 1) / 2);
}
