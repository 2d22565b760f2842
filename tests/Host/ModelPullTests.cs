using System.Security.Cryptography;
using System.Text.Json;
using PdEngine.Host;

namespace PdEngine.Tests;

/// <summary><c>pdengine model pull</c> against a hub of this process.</summary>
public sealed class ModelPullTests
{
    private static readonly string Weights = HfFolder.SingleFile;

    [Test]
    public async Task A_model_comes_whole_and_nothing_is_fetched_twice()
    {
        await using HubRig hub = await ModelHubAsync();
        string folder = TestFiles.Scratch();
        PdEngineRun run = await hub.PullAsync(folder, "--json");
        Assert.That(run.ExitCode, Is.Zero, run.Error);
        JsonElement report = PdEngineRun.Json(run.Out);
        Assert.That(report.GetProperty("commit").GetString(), Is.EqualTo(HubRig.Commit));
        AssertHas(folder, hub);
        Assert.That(Directory.GetFileSystemEntries(folder, ".*").Select(Path.GetFileName),
            Is.EqualTo(new[] { PullRecord.Name }));
        using (ICheckpoint model = Checkpoint.Open(folder))
            Assert.That(model.Config.LayerCount, Is.GreaterThan(0));
        hub.Seen.Clear();
        run = await hub.PullAsync(folder, "--json");
        Assert.That(PdEngineRun.Json(run.Out).GetProperty("fetched_bytes").GetInt64(), Is.Zero);
        Assert.That(hub.Seen, Has.Count.EqualTo(1), "the listing alone");
    }

    [Test]
    public async Task Patterns_choose_files()
    {
        await using HubRig hub = await ModelHubAsync();
        hub.Small["notes/a.bin"] = [1];
        string folder = TestFiles.Scratch();
        Assert.That((await hub.PullAsync(folder)).ExitCode, Is.Zero);
        Assert.That(File.Exists(Path.Combine(folder, "notes", "a.bin")), Is.False);
        PdEngineRun run = await hub.PullAsync(folder, "--include", "notes/*", "--include", "*.json",
            "--exclude", "token*");
        Assert.That(run.ExitCode, Is.Zero, run.Error);
        Assert.That(File.Exists(Path.Combine(folder, "notes", "a.bin")), Is.True);
        (await hub.PullAsync(folder, "--include", "nothing*")).AssertRefused("--include", "none of the");
    }

    [Test]
    public async Task A_body_that_ends_early_goes_on_where_it_was()
    {
        await using HubRig hub = await ModelHubAsync();
        int cuts = 0;
        string folder = TestFiles.Scratch();
        hub.Before = async (context, isStore) =>
        {
            if (!isStore || Interlocked.Increment(ref cuts) > 2 || context.Request.Headers.Range.Count > 0)
                return false;
            await HubRig.CutAsync(context, hub.Large[Weights], 100_000, folder);
            return true;
        };
        PdEngineRun run = await hub.PullAsync(folder);
        Assert.That(run.ExitCode, Is.Zero, run.Error);
        AssertHas(folder, hub);
        Assert.That(hub.Seen.Where(one => one.IsStore).Select(one => one.Range),
            Is.EqualTo(new[] { "", "bytes=100000-" }));
    }

    [Test]
    public async Task A_server_that_reads_no_ranges_sends_it_anew()
    {
        await using HubRig hub = await ModelHubAsync();
        hub.ReadsRanges = false;
        int answers = 0;
        string folder = TestFiles.Scratch();
        hub.Before = async (context, isStore) =>
        {
            if (!isStore || Interlocked.Increment(ref answers) > 1)
                return false;
            await HubRig.CutAsync(context, hub.Large[Weights], 70_000, folder);
            return true;
        };
        PdEngineRun run = await hub.PullAsync(folder);
        Assert.That(run.ExitCode, Is.Zero, run.Error);
        AssertHas(folder, hub);
    }

    [Test]
    public async Task A_file_that_changes_between_two_tries_is_not_put_together_of_both()
    {
        await using HubRig hub = await ModelHubAsync();
        byte[] old = hub.Large[Weights], changed = HubRig.Bytes(old.Length, 9);
        int answers = 0;
        string folder = TestFiles.Scratch();
        hub.Before = async (context, isStore) =>
        {
            if (!isStore || Interlocked.Increment(ref answers) > 1)
                return false;
            await HubRig.CutAsync(context, old, 70_000, folder);
            hub.Large[Weights] = changed;
            return true;
        };
        hub.Listed[Weights] = old;
        PdEngineRun run = await hub.PullAsync(folder);
        Assert.That(run.ExitCode, Is.EqualTo(1), run.Error);
        Assert.That(run.Error, Does.Contain("may have changed"));
        Assert.That(File.Exists(Path.Combine(folder, Weights)), Is.False);
        hub.Listed.Clear();
        run = await hub.PullAsync(folder);
        Assert.That(run.ExitCode, Is.Zero, run.Error);
        AssertHas(folder, hub);
    }

    [Test]
    public async Task What_an_interrupted_run_left_is_gone_on_from()
    {
        await using HubRig hub = await ModelHubAsync();
        byte[] content = hub.Large[Weights];
        using CancellationTokenSource ending = new();
        PullFolder folder = new(TestFiles.Scratch());
        hub.Before = async (context, isStore) =>
        {
            if (!isStore)
                return false;
            context.Response.ContentLength = content.Length;
            await context.Response.Body.WriteAsync(content.AsMemory(0, 300_000));
            await context.Response.Body.FlushAsync();
            await HubRig.ArriveAsync(folder.Path, 300_000);
            await ending.CancelAsync();
            await Task.Delay(Timeout.Infinite, context.RequestAborted)
                .ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            return true;
        };
        HubFile file = new(Weights, content.Length, Convert.ToHexStringLower(SHA256.HashData(content)), null);
        using (HubClient client = new(hub.Endpoint, null))
        {
            HubPull pull = new(client, HubRig.Repo, HubRig.Commit, folder);
            Assert.CatchAsync<OperationCanceledException>(() => pull.RunAsync([file], ending.Token));
        }
        Assert.That(folder.HeldBytes(file), Is.EqualTo(300_000));
        hub.Before = (_, _) => Task.FromResult(false);
        hub.Seen.Clear();
        Assert.That((await hub.PullAsync(folder.Path)).ExitCode, Is.Zero);
        AssertHas(folder.Path, hub);
        Assert.That(hub.Seen.Single(one => one.IsStore).Range, Is.EqualTo("bytes=300000-"));
    }

    [Test]
    public async Task A_wrong_checksum_gives_no_file([Values] bool isLarge)
    {
        await using HubRig hub = await ModelHubAsync();
        string name = isLarge ? Weights : "config.json";
        byte[] held = (isLarge ? hub.Large : hub.Small)[name];
        hub.Listed[name] = [.. held[..^1], (byte)(held[^1] ^ 1)];
        string folder = TestFiles.Scratch();
        PdEngineRun run = await hub.PullAsync(folder);
        Assert.That(run.ExitCode, Is.EqualTo(1), run.Error);
        Assert.That(run.Error, Does.Contain(name).And.Contain("checksum"));
        Assert.That(File.Exists(Path.Combine(folder, name)), Is.False);
    }

    [Test]
    public async Task The_token_is_sent_to_the_hub_and_to_nobody_it_points_to()
    {
        await using HubRig hub = await ModelHubAsync();
        string folder = TestFiles.Scratch(), token = Path.Combine(folder, "token");
        File.WriteAllText(token, "hf_secret\nmore\n");
        PdEngineRun run = await hub.PullAsync(Path.Combine(folder, "to"), "--token-file", token);
        Assert.That(run.ExitCode, Is.Zero, run.Error);
        Assert.That(hub.Seen.Where(one => !one.IsStore).Select(one => one.Authorization),
            Is.All.EqualTo("Bearer hf_secret"));
        Assert.That(hub.Seen.Where(one => one.IsStore).Select(one => one.Authorization), Is.All.Empty);
        Assert.That(hub.Seen.Any(one => one.IsStore), Is.True);
        PdEngineRun plain = await PdEngineRun.HereAsync("model", "pull", HubRig.Repo, "--endpoint",
            "http://example.org", "--token-file", token, "--to", Path.Combine(folder, "never"));
        plain.AssertRefused("--endpoint", "plain http");
    }

    [TestCase(401, "--token-file")]
    [TestCase(403, "--token-file")]
    [TestCase(404, "no such model")]
    public async Task A_hub_that_refuses_is_bad_input_and_asked_once(int status, string part)
    {
        await using HubRig hub = await ModelHubAsync();
        hub.Before = (context, _) =>
        {
            context.Response.StatusCode = status;
            return Task.FromResult(true);
        };
        (await hub.PullAsync(TestFiles.Scratch())).AssertRefused(part, $"{status}");
        Assert.That(hub.Seen, Has.Count.EqualTo(1));
    }

    [Test]
    public async Task Who_is_asked_to_wait_waits_as_long_and_others_back_off()
    {
        await using HubRig hub = await ModelHubAsync();
        List<(int Answer, long At)> answers = [];
        hub.Before = (context, isStore) =>
        {
            if (!isStore)
                return Task.FromResult(false);
            lock (answers)
            {
                answers.Add((answers.Count, Environment.TickCount64));
                if (answers.Count > 2)
                    return Task.FromResult(false);
                context.Response.StatusCode = answers.Count == 1 ? 429 : 503;
                if (answers.Count == 1)
                    context.Response.Headers.RetryAfter = "2";
                return Task.FromResult(true);
            }
        };
        string folder = TestFiles.Scratch();
        PdEngineRun run = await hub.PullAsync(folder);
        Assert.That(run.ExitCode, Is.Zero, run.Error);
        AssertHas(folder, hub);
        Assert.That(answers[1].At - answers[0].At, Is.GreaterThanOrEqualTo(1900));
    }

    [Test]
    public async Task A_hub_that_stays_ill_is_given_up()
    {
        await using HubRig hub = await ModelHubAsync();
        hub.Before = (context, isStore) =>
        {
            context.Response.StatusCode = 500;
            return Task.FromResult(isStore);
        };
        hub.Before = async (context, isStore) =>
        {
            if (isStore)
                context.Response.StatusCode = 500;
            await Task.CompletedTask;
            return isStore;
        };
        PullFolder folder = new(TestFiles.Scratch());
        using HubClient client = new(hub.Endpoint, null);
        HubPull pull = new(client, HubRig.Repo, HubRig.Commit, folder)
        {
            Tries = 3, FirstWait = TimeSpan.FromMilliseconds(5),
        };
        HubListing listing = await client.ListAsync(HubRig.Repo, "main", CancellationToken.None);
        IOException? fault = Assert.CatchAsync<IOException>(
            () => pull.RunAsync(listing.Files, CancellationToken.None));
        Assert.That(fault!.Message, Does.Contain(Weights).And.Contain("500"));
        Assert.That(hub.Seen.Count(one => one.IsStore), Is.EqualTo(3));
    }

    [TestCase("../evil.json")]
    [TestCase("a/../../evil.json")]
    [TestCase("/etc/evil.json")]
    [TestCase("a\\..\\evil.json")]
    [TestCase("C:evil.json")]
    [TestCase("a//evil.json")]
    [TestCase("./evil.json")]
    [TestCase("evil.json\0")]
    [TestCase(".pdengine-pull/x.json")]
    [TestCase(".git/config.json")]
    [TestCase("gpj\u202Enosj.json")]
    [TestCase("a\u200Bb.json")]
    [TestCase("")]
    public async Task A_name_that_leaves_the_folder_refuses_the_whole_listing(string name)
    {
        await using HubRig hub = await ModelHubAsync();
        hub.Small[name] = [1];
        string folder = Path.Combine(TestFiles.Scratch(), "inner");
        PdEngineRun run = await hub.PullAsync(folder);
        Assert.That(run.ExitCode, Is.EqualTo(1), run.Error);
        Assert.That(run.Error, Does.Contain("leave the folder").And.Not.Contain("   at "));
        Assert.That(Directory.Exists(folder), Is.False);
        Assert.That(hub.Seen, Has.Count.EqualTo(1));
    }

    [Test]
    public async Task A_link_that_lies_in_the_folder_is_not_followed_out_of_it()
    {
        await using HubRig hub = await ModelHubAsync();
        hub.Small["sub/deep/a.json"] = [1, 2, 3];
        string scratch = TestFiles.Scratch();
        string folder = Path.Combine(scratch, "inner"), outside = Path.Combine(scratch, "outside");
        Directory.CreateDirectory(folder);
        Directory.CreateDirectory(outside);
        Directory.CreateSymbolicLink(Path.Combine(folder, "sub"), outside);
        PdEngineRun run = await hub.PullAsync(folder);
        run.AssertRefused("--to", "link");
        Assert.That(Directory.GetFileSystemEntries(outside), Is.Empty);
        Directory.Delete(Path.Combine(folder, "sub"));
        string victim = Path.Combine(outside, "victim");
        File.WriteAllText(victim, "kept");
        File.CreateSymbolicLink(Path.Combine(folder, "config.json"), victim);
        (await hub.PullAsync(folder)).AssertRefused("--to", "config.json", "--force");
        Assert.That((await hub.PullAsync(folder, "--force")).ExitCode, Is.Zero);
        Assert.That(File.ReadAllText(victim), Is.EqualTo("kept"));
        AssertHas(folder, hub);
    }

    [Test]
    public async Task A_file_that_was_there_before_is_replaced_on_request_alone()
    {
        await using HubRig hub = await ModelHubAsync();
        string folder = TestFiles.Scratch(), config = Path.Combine(folder, "config.json");
        File.WriteAllText(config, "mine");
        (await hub.PullAsync(folder)).AssertRefused("--to", "'config.json'", "--force");
        Assert.That(File.ReadAllText(config), Is.EqualTo("mine"));
        Assert.That(File.Exists(Path.Combine(folder, Weights)), Is.False);
        Assert.That((await hub.PullAsync(folder, "--exclude", "config.json")).ExitCode, Is.Zero);
        Assert.That(File.ReadAllText(config), Is.EqualTo("mine"));
        PdEngineRun run = await hub.PullAsync(folder, "--force");
        Assert.That(run.ExitCode, Is.Zero, run.Error);
        AssertHas(folder, hub);
    }

    [Test]
    public async Task It_is_said_how_many_files_had_no_checksum()
    {
        await using HubRig hub = await ModelHubAsync();
        PdEngineRun run = await hub.PullAsync(TestFiles.Scratch());
        int files = hub.Small.Count + hub.Large.Count;
        Assert.That(run.Error, Does.Contain($"{files} of {files} files verified").And.Not.Contain("none"));
        hub.ListsBlobs = false;
        run = await hub.PullAsync(TestFiles.Scratch(), "--json");
        Assert.That(run.Error, Does.Contain($"1 of {files} files verified")
            .And.Contain($"none for {files - 1}"));
        Assert.That(PdEngineRun.Json(run.Out).GetProperty("unverified_files").GetInt32(),
            Is.EqualTo(files - 1));
    }

    [Test]
    public async Task A_name_without_an_owner_is_refused_and_an_unreachable_hub_says_why_once()
    {
        (await PdEngineRun.HereAsync("model", "pull", "foo")).AssertRefused("REPO", "'foo'", "owner/name");
        PdEngineRun run = await PdEngineRun.HereAsync(
            "model", "pull", "a/b", "--endpoint", "http://127.0.0.1:1", "--to", TestFiles.Scratch());
        Assert.That(run.ExitCode, Is.EqualTo(1));
        Assert.That(run.Error.Split("refused").Length - 1, Is.EqualTo(1), run.Error);
    }

    [TestCase("""{"sha":"x","siblings":[]}""")]
    [TestCase("[]")]
    [TestCase("no json")]
    [TestCase("""{"sha":"SHA","siblings":[{"rfilename":"a.json"}]}""")]
    [TestCase("""{"sha":"SHA","siblings":[{"rfilename":"a.json","size":1,"lfs":{"sha256":"12"}}]}""")]
    [TestCase("""{"sha":"SHA","siblings":[{"rfilename":"a.txt","size":1},{"rfilename":"A.txt","size":1}]}""")]
    public void A_listing_that_is_none_is_refused(string json)
    {
        byte[] text = System.Text.Encoding.UTF8.GetBytes(json.Replace("SHA", HubRig.Commit));
        Assert.Throws<IOException>(() => HubListing.Parse(text));
    }

    [Test]
    public void Too_small_a_disk_is_said_before_anything_is_fetched()
    {
        OptionsException? refusal = Assert.Throws<OptionsException>(
            () => DiskSpace.ThrowIfShort(Path.GetTempPath(), long.MaxValue, "--to"));
        Assert.That(refusal!.Message, Does.Contain("free"));
    }

    [Test]
    public void Sha1_is_the_systems()
    {
        foreach (int count in (int[])[0, 1, 55, 56, 63, 64, 65, 119, 120, 1000, 100_000])
        {
            byte[] bytes = HubRig.Bytes(count, count);
            Sha1 hash = new();
            hash.Append(bytes.AsSpan(0, count / 3));
            hash.Append(bytes.AsSpan(count / 3));
#pragma warning disable CA5350 // what it is compared with
            Assert.That(hash.Finish(), Is.EqualTo(SHA1.HashData(bytes)), $"{count}");
#pragma warning restore CA5350
        }
    }

    internal static void AssertHas(string folder, HubRig hub)
    {
        foreach ((string name, byte[] content) in hub.Small.Concat(hub.Large))
        {
            if (Path.GetExtension(name) != ".bin")
                Assert.That(File.ReadAllBytes(Path.Combine(folder, name)), Is.EqualTo(content), name);
        }
    }

    internal static async Task<HubRig> ModelHubAsync()
    {
        HubRig hub = await HubRig.StartAsync();
        string folder = Path.Combine(TestFiles.Root, "models", "pd-tiny");
        foreach (string file in Directory.EnumerateFiles(folder))
        {
            string name = Path.GetFileName(file);
            (name == Weights ? hub.Large : hub.Small).Add(name, File.ReadAllBytes(file));
        }
        return hub;
    }
}
