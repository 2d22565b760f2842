using System.Text.Json;

namespace PdEngine.Tests;

/// <summary>Many clients at once, of every kind; what they get is what the engine makes alone.</summary>
public sealed class HttpCrowdTests
{
    [Test]
    public async Task A_crowd_gets_what_the_engine_makes_and_leaves_nothing_behind()
    {
        const int seed = 9, clients = 200;
        await using HttpRig rig = await HttpRig.StartAsync();
        Random random = new(seed);
        string[] bodies = [.. Enumerable.Range(0, clients).Select(index => Body(index, random))];
        int[] kinds = [.. Enumerable.Range(0, clients).Select(_ => random.Next(8))];
        string?[] made = await Task.WhenAll(Enumerable.Range(0, clients).Select(
            index => RunAsync(rig, bodies[index], kinds[index])));
        await rig.IsIdleAsync();
        int compared = 0;
        for (int i = 0; i < clients; i++)
        {
            if (made[i] is not { } ids)
                continue;
            JsonElement alone = await rig.PostAsync("/generate", bodies[i] + "}");
            string expected = alone.GetProperty("output_ids").GetRawText();
            Assert.That(ids, Is.EqualTo(expected), $"seed {seed}, client {i}");
            compared++;
        }
        Assert.That(compared, Is.GreaterThan(clients / 2));
        await rig.IsIdleAsync();
        await rig.PostAsync("/flush_cache", "{}");
        Assert.That(() => rig.Model.Metrics.FreeBlocks,
            Is.EqualTo(rig.Model.Metrics.TotalBlocks).After(60_000, 10));
        Assert.That(() => rig.Server.Live.Count, Is.Zero.After(60_000, 10));
        Assert.That(rig.Log.ToString(), Does.Not.Contain("\"fault\""));
    }

    private static string Body(int index, Random random)
    {
        int[] prompt = [.. Enumerable.Range(0, random.Next(1, 60)).Select(_ => random.Next(2, 258))];
        string logProbs = index % 4 == 0 ? ",\"return_logprob\":true" : "";
        return $$"""
            {"input_ids":[{{string.Join(',', prompt)}}]{{logProbs}},"sampling_params":
            {"max_new_tokens":{{random.Next(1, 100)}},"sampling_seed":{{index}},"ignore_eos":true}
            """;
    }

    /// <summary>The ids that came; null where the client left or sent what is refused.</summary>
    private static async Task<string?> RunAsync(HttpRig rig, string body, int kind)
    {
        switch (kind)
        {
            case 0:
                await LeaveAsync(rig, body + ",\"stream\":true}");
                return null;
            case 1:
                await rig.RefusedAsync("/generate", body + ",");
                return null;
            case 2 or 3 or 4:
                List<JsonElement> events = await rig.StreamAsync("/generate", body + ",\"stream\":true}");
                return events[^1].GetProperty("output_ids").GetRawText();
            default:
                return (await rig.PostAsync("/generate", body + "}")).GetProperty("output_ids").GetRawText();
        }
    }

    private static async Task LeaveAsync(HttpRig rig, string body)
    {
        using HttpRequestMessage request = new(HttpMethod.Post, "/generate") { Content = HttpRig.Json(body) };
        using HttpResponseMessage response =
            await rig.Client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
        await (await response.Content.ReadAsStreamAsync()).ReadExactlyAsync(new byte[16]);
    }
}
