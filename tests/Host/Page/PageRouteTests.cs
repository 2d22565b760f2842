using System.Net;
using System.Net.Http.Headers;
using System.Text.Json;
using System.Text.RegularExpressions;
using PdEngine.Host;

namespace PdEngine.Tests;

/// <summary>The page's own routes: who gets what, and what it says.</summary>
public sealed partial class PageRouteTests
{
    private const string Key = "the-key-of-users";

    [Test]
    public async Task The_page_and_all_that_it_loads_lie_in_the_server()
    {
        await using HttpRig rig = await HttpRig.StartAsync();
        (int status, string html, HttpResponseHeaders headers) = await GetAsync(rig, "/");
        Assert.That(status, Is.EqualTo(200));
        AssertGuarded(headers);
        Assert.That(headers.CacheControl!.NoStore, Is.True);
        Assert.That(html, Does.Not.Contain("{build}"));
        HashSet<string> seen = [];
        Queue<string> found = new(Links().Matches(html).Select(match => match.Groups[1].Value));
        while (found.TryDequeue(out string? path))
        {
            if (!path.StartsWith("/page/", StringComparison.Ordinal) || !seen.Add(path))
                continue;
            (int got, string text, HttpResponseHeaders kept) = await GetAsync(rig, path);
            Assert.That(got, Is.EqualTo(200), path);
            AssertGuarded(kept);
            Assert.That(kept.CacheControl!.ToString(),
                Does.Contain("immutable").And.Contain("private"), path);
            Assert.That(Foreign().Matches(text).Select(match => match.Value),
                Has.All.StartsWith("http://www.w3.org/"), path);
            foreach (Match import in Imports().Matches(text))
                found.Enqueue($"{path[..path.LastIndexOf('/')]}/{import.Groups[1].Value}");
        }
        Assert.That(seen, Has.Count.GreaterThan(8));
        Assert.That(seen, Has.Some.EndsWith("/charts.js"));
    }

    [Test]
    public async Task No_script_or_style_is_in_the_pages_themselves()
    {
        foreach (bool hasKey in new[] { false, true })
        {
            await using HttpRig rig = await HttpRig.StartAsync(options => hasKey ? Keyed(options) : options);
            (_, string html, HttpResponseHeaders headers) = await GetAsync(rig, "/");
            Assert.That(Inline().IsMatch(html), Is.False, html);
            string policy = headers.GetValues("Content-Security-Policy").Single();
            Assert.That(policy, Does.Not.Contain("unsafe").And.Contain("default-src 'none'")
                .And.Contain("script-src 'self'").And.Contain("frame-ancestors 'none'"));
        }
    }

    [Test]
    public async Task With_a_key_only_the_form_and_what_it_loads_are_open()
    {
        await using HttpRig rig = await HttpRig.StartAsync(Keyed);
        (int status, string form, HttpResponseHeaders headers) = await GetAsync(rig, "/");
        Assert.That(status, Is.EqualTo(200));
        Assert.That(form, Does.Contain("<form").And.Not.Contain("app.js"));
        AssertGuarded(headers);
        string[] open = [.. Links().Matches(form).Select(match => match.Groups[1].Value)];
        Assert.That(open, Has.Length.AtLeast(3));
        foreach (string path in open)
            Assert.That((await GetAsync(rig, path)).Status, Is.EqualTo(200), path);
        foreach ((string path, _, _, bool isOpen) in PageAssets.All)
        {
            Assert.That((await GetAsync(rig, path)).Status, Is.EqualTo(isOpen ? 200 : 401), path);
            Assert.That(isOpen, Is.EqualTo(open.Contains(path)), path);
            Assert.That((await GetAsync(rig, path, Key)).Status, Is.EqualTo(200), path);
        }
        Assert.That((await GetAsync(rig, "/page/state")).Status, Is.EqualTo(401));
        Assert.That((await GetAsync(rig, "/page/state", "wrong")).Status, Is.EqualTo(401));
        Assert.That((await GetAsync(rig, "/page/state", Key)).Status, Is.EqualTo(200));
    }

    [TestCase("Origin", "http://evil.example")]
    [TestCase("Sec-Fetch-Site", "cross-site")]
    public async Task The_state_is_not_for_other_sites(string header, string value)
    {
        await using HttpRig rig = await HttpRig.StartAsync();
        using HttpRequestMessage request = new(HttpMethod.Get, "/page/state");
        request.Headers.Add(header, value);
        (int status, _, HttpResponseHeaders headers) = await rig.SendAsync(request);
        Assert.That(status, Is.EqualTo(403));
        Assert.That(headers.Select(one => one.Key), Has.None.StartsWith("Access-Control-"));
    }

    [Test]
    public async Task Requests_that_are_refused_for_their_body_are_counted()
    {
        await using HttpRig rig = await HttpRig.StartAsync();
        for (int i = 0; i < 3; i++)
            await rig.RefusedAsync("/generate", """{"text":"a","sampling_params":{"temperature":-1}}""");
        Assert.That((await GetAsync(rig, "/page/none")).Status, Is.EqualTo(404));
        // The answer may be there before it is counted.
        await Assert.ThatAsync(async () => (await rig.GetAsync("/page/state")).GetProperty("services")[0]
            .GetProperty("advice").GetProperty("refused").GetInt64(), Is.EqualTo(3).After(60_000, 50));
    }

    [TestCase("?after=x", "after")]
    [TestCase("?ended=-1", "ended")]
    [TestCase("?service=nobody", "service")]
    public async Task What_cannot_be_asked_for_is_refused(string query, string field)
    {
        await using HttpRig rig = await HttpRig.StartAsync();
        using HttpResponseMessage answer = await rig.Client.GetAsync($"/page/state{query}");
        Assert.That(answer.StatusCode, Is.EqualTo(HttpStatusCode.BadRequest));
        Assert.That(await answer.Content.ReadAsStringAsync(), Does.Contain($"\"param\":\"{field}\""));
    }

    [Test]
    public async Task The_state_tells_of_each_request_once_and_where_its_time_went()
    {
        await using HttpRig rig = await HttpRig.StartAsync(run: Disaggregated);
        JsonElement before = await rig.GetAsync("/page/state");
        Assert.That(before.GetProperty("ended").GetArrayLength(), Is.Zero);
        for (int i = 0; i < 3; i++)
        {
            await rig.PostAsync("/generate", """
                {"input_ids":[5,6,7,8],"sampling_params":{"max_new_tokens":6,"ignore_eos":true}}
                """);
        }
        JsonElement state = await rig.GetAsync("/page/state");
        JsonElement[] ended = [.. state.GetProperty("ended").EnumerateArray()];
        Assert.That(ended.Select(one => one.GetProperty("number").GetInt32()), Is.EqualTo(new[] { 1, 2, 3 }));
        JsonElement first = ended[0];
        Assert.That(first.GetProperty("prefill_worker").GetString(), Is.EqualTo("prefill-0"));
        Assert.That(first.GetProperty("decode_worker").GetString(), Is.EqualTo("decode-0"));
        Assert.That(first.GetProperty("path").GetString(), Is.EqualTo("handoff"));
        Assert.That(first.GetProperty("output_tokens").GetInt32(), Is.EqualTo(6));
        Assert.That(first.GetProperty("handoff_blocks").GetInt32(), Is.EqualTo(1));
        foreach (string phase in new[] { "prefill", "decode", "first_token", "inter_token" })
            Assert.That(first.GetProperty(phase).GetDouble(), Is.Positive, phase);
        string text = first.GetRawText();
        Assert.That(text, Does.Not.Contain("output_ids").And.Not.Contain("text"));
        JsonElement rest = await rig.GetAsync("/page/state?ended=2");
        Assert.That(rest.GetProperty("ended").GetArrayLength(), Is.EqualTo(1));
    }

    [Test]
    public async Task The_state_tells_workers_pools_and_samples()
    {
        await using HttpRig rig = await HttpRig.StartAsync(run: Disaggregated);
        await rig.GetAsync("/page/state");
        JsonElement state = default;
        // Where a machine is so slow that a second is long, the next sample has its request all the same.
        await Assert.ThatAsync(async () =>
        {
            await rig.PostAsync("/generate", """
                {"input_ids":[5,6,7,8],"sampling_params":{"max_new_tokens":200,"ignore_eos":true}}
                """);
            state = await rig.GetAsync("/page/state");
            return Value("output_per_second");
        }, Is.Positive.After(60_000, 100));
        JsonElement service = state.GetProperty("services")[0];
        Assert.That(service.GetProperty("workers").EnumerateArray()
            .Select(worker => worker.GetProperty("name").GetString()),
            Is.EqualTo(new[] { "prefill-0", "decode-0" }));
        JsonElement pool = service.GetProperty("pools")[0];
        int Blocks(string name) => pool.GetProperty(name).GetInt32();
        Assert.That(Blocks("held") + Blocks("cached") + Blocks("free"), Is.EqualTo(Blocks("total")));
        Assert.That(Blocks("cached"), Is.Positive);
        Assert.That(Value("handoffs_per_second"), Is.Positive);
        Assert.That(Value("ttft_p95"), Is.Positive);
        long seen = (long)Value("time_ms")!.Value;
        JsonElement later = await rig.GetAsync($"/page/state?after={seen}");
        Assert.That(later.GetProperty("samples").GetArrayLength(), Is.LessThanOrEqualTo(1));

        double? Value(string name)
        {
            string[] columns =
                [.. state.GetProperty("columns").EnumerateArray().Select(one => one.GetString()!)];
            JsonElement[] last = [.. state.GetProperty("samples").EnumerateArray().Last().EnumerateArray()];
            Assert.That(last, Has.Length.EqualTo(columns.Length));
            JsonElement value = last[Array.IndexOf(columns, name)];
            return value.ValueKind == JsonValueKind.Null ? null : value.GetDouble();
        }
    }

    [Test]
    public async Task Requests_in_flight_are_told_with_the_time_so_far()
    {
        await using HttpRig rig = await HttpRig.StartAsync();
        await rig.PostAsync("/pause_generation", """{"mode":"in_place"}""");
        Task<JsonElement> waiting = rig.PostAsync("/generate",
            """{"input_ids":[5,6,7],"sampling_params":{"max_new_tokens":2,"ignore_eos":true}}""");
        JsonElement state = default;
        await Assert.ThatAsync(async () =>
        {
            state = await rig.GetAsync("/page/state");
            return state.GetProperty("live").GetArrayLength();
        }, Is.EqualTo(1).After(60_000, 20));
        Assert.That(state.GetProperty("services")[0].GetProperty("paused").GetBoolean(), Is.True);
        Assert.That(state.GetProperty("live")[0].GetProperty("queue").GetDouble(), Is.Positive);
        await rig.PostAsync("/continue_generation", "{}");
        await waiting;
        state = await rig.GetAsync("/page/state");
        Assert.That(state.GetProperty("live").GetArrayLength(), Is.Zero);
        Assert.That(state.GetProperty("ended")[0].GetProperty("queue").GetDouble(), Is.Positive);
    }

    private static ServeOptions Keyed(ServeOptions options) =>
        options with { ApiKey = AccessKey.Of("k", Key) };

    private static EngineOptions Disaggregated(EngineOptions options) => options with
    {
        Topology = Topology.Resolve(new TopologyFlags
        {
            HfCheckpoint = options.ModelPath, PrefillNumServers = 1, RolloutNumGpus = 2, CoreCount = 2,
        }),
        Disaggregate = DisaggregateMode.Always,
    };

    private static void AssertGuarded(HttpResponseHeaders headers)
    {
        Assert.That(headers.GetValues("X-Content-Type-Options").Single(), Is.EqualTo("nosniff"));
        Assert.That(headers.GetValues("Referrer-Policy").Single(), Is.EqualTo("no-referrer"));
        Assert.That(headers.GetValues("Content-Security-Policy").Single(), Does.Contain("script-src 'self'"));
        Assert.That(headers.Select(one => one.Key), Has.None.StartsWith("Access-Control-"));
    }

    private static async Task<(int Status, string Text, HttpResponseHeaders Headers)> GetAsync(
        HttpRig rig, string path, string? key = null)
    {
        using HttpRequestMessage request = new(HttpMethod.Get, path);
        if (key is not null)
            request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", key);
        return await rig.SendAsync(request);
    }

    [GeneratedRegex("(?:src|href)=\"(/[^\"]+)\"")]
    private static partial Regex Links();

    [GeneratedRegex(@"from '\./([a-z]+\.js)'")]
    private static partial Regex Imports();

    [GeneratedRegex(@"https?://[^'""\s)]+")]
    private static partial Regex Foreign();

    [GeneratedRegex(@"<style|\sstyle=|\son[a-z]+=|<script(?![^>]*\ssrc=)|javascript:")]
    private static partial Regex Inline();
}
