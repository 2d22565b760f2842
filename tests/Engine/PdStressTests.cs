namespace PdEngine.Tests;

/// <summary>Many clients at once, each with whims of its own, on real threads.</summary>
[CancelAfter(120_000)]
public sealed class PdStressTests
{
    private const int ClientCount = 64;
    private const int RequestsPerClient = 6;

    [Test]
    public async Task Clients_that_abort_at_random_lose_no_block(
        [Values("2P+2D", "1P+3D")] string shape, [Values] KvDomainKind domain, [Values(1, 2, 3)] int seed)
    {
        Generation[] alone = await PdRig.AloneAsync("", PdRig.Mixed);
        EngineOptions options = PdRig.Options(
            shape, seed == 2 ? DisaggregateMode.Auto : DisaggregateMode.Always, domain,
            overrides: "max_total_tokens: 640, chunked_prefill_size: 64, schedule_conservativeness: 0.2");
        await using Engine engine = await Engine.StartAsync(options);
        int[] aborted = await Task.WhenAll(Enumerable.Range(0, ClientCount).Select(
            client => Task.Run(() => ClientAsync(engine, alone, seed, client))));
        TestContext.Out.WriteLine(
            $"{aborted.Sum()} of {ClientCount * RequestsPerClient} aborted, "
            + $"{engine.Metrics.Retractions} retractions");
        Assert.That(aborted.Sum(), Is.InRange(1, (ClientCount * RequestsPerClient) - 1));
        Assert.That(engine.Models[0].LeakReport().LiveRequests, Is.Zero);
        Assert.That(engine.Models[0].Workers.Select(worker => worker.Failure), Is.All.Null);
        await PdRig.AssertAllFreeAsync(engine, $"{shape}, seed {seed}");
    }

    /// <returns>How many of its requests it aborted.</returns>
    private static async Task<int> ClientAsync(Engine engine, Generation[] alone, int seed, int client)
    {
        Random random = new((seed * 1000) + client);
        int aborted = 0;
        for (int i = 0; i < RequestsPerClient; i++)
        {
            int index = random.Next(PdRig.Mixed.Length);
            string what = $"seed {seed}, client {client}, request {index}";
            TokenStream stream = engine.Stream(PdRig.Mixed[index] with
            {
                SessionId = random.Next(2) == 0 ? $"{client}" : null,
            });
            int patience = random.Next(30);
            if (patience < 5)
            {
                await Task.Delay(patience);
                stream.Abort();
            }
            int seen = 0;
            await foreach (TokenChunk chunk in stream)
            {
                seen += chunk.TokenIds.Count;
                if (seen >= patience)
                    engine.Abort(stream.Id);
            }
            Generation got = await stream.Completion;
            PdRig.AssertTimes([got], what);
            Assert.That(seen, Is.EqualTo(got.OutputIds.Count), what);
            if (got.FinishReason != FinishReason.Abort)
            {
                EngineRig.AssertSame(alone[index], got, what);
                continue;
            }
            aborted++;
            Assert.That(got.OutputIds, Is.EqualTo(alone[index].OutputIds.Take(seen)), what);
            EngineRig.AssertSameBits(
                [.. alone[index].OutputLogProbs.Take(seen)], got.OutputLogProbs, what);
        }
        return aborted;
    }
}
