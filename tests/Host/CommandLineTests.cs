using System.Net;
using System.Net.Sockets;
using System.Text.Json;

namespace PdEngine.Tests;

/// <summary>How <c>pdengine</c> takes its flags and prompts, and how it ends.</summary>
public sealed class CommandLineTests
{
    [TestCase("frob", "'frob'")]
    [TestCase("generate --frob x", "'--frob'")]
    [TestCase("generate --max-new-token 5 x", "'--max-new-token'")]
    [TestCase("generate -x", "'-x'")]
    [TestCase("generate a b", "'b'")]
    [TestCase("generate --max-new-token 5 x", "did you mean '--max-new-tokens'")]
    [TestCase("generate x --max-new-token 5", "did you mean '--max-new-tokens'")]
    [TestCase("generate x --page-size many", "--page-size: 'many'")]
    [TestCase("generate x --seed -1", "--seed: '-1'")]
    [TestCase("generate x --temperature hot", "--temperature: 'hot'")]
    [TestCase("generate x --model /nowhere/at/all", "/nowhere/at/all")]
    [TestCase("generate x --model random:huge", "'huge'", "tiny")]
    [TestCase("generate x --model random:qwen3-0.6b", "random:qwen3-0.6b", "tokenizer", "--input-ids")]
    [TestCase("score x --model random:qwen3-0.6b", "random:qwen3-0.6b", "tokenizer", "--input-ids")]
    [TestCase("generate --model M", "prompt")]
    [TestCase("generate x --input-ids 1 --model M", "only one")]
    [TestCase("generate x --prompt-file f --model M", "only one")]
    [TestCase("generate --prompt-file /nowhere/f --model M", "--prompt-file", "/nowhere/f")]
    [TestCase("generate --input-ids 1,x --model M", "'x' is not a token id")]
    [TestCase("generate --input-ids 1,999 --model M", "input_ids", "999")]
    [TestCase("generate x --logprobs --model M", "--logprobs", "--json")]
    [TestCase("generate x --output o --model M", "--output", "--input")]
    [TestCase("generate x --input f --model M", "--input", "prompt")]
    [TestCase("generate --input /nowhere/f --model M", "--input", "/nowhere/f")]
    [TestCase("generate --input /tmp --model M", "--input", "/tmp")]
    [TestCase("generate --input F --output /nowhere/o --model M", "--output", "/nowhere")]
    [TestCase("generate --input F --output /tmp --model M", "--output", "folder")]
    [TestCase("generate --input F --output F --model M", "--output", "input file")]
    [TestCase("generate --input F --temperature 0 --model M", "--temperature", "batch")]
    [TestCase("generate --input F --no-chat --model M", "--no-chat", "batch")]
    [TestCase("generate x --backend abacus --model M", "--backend", "'abacus'", "reference")]
    [TestCase("generate x --isa sse --model M", "--isa", "'sse'", "avx2")]
    [TestCase("generate x --threads 0 --model M", "--threads: 0")]
    [TestCase("generate x --threads 1025 --model M", "--threads", "cores")]
    [TestCase("generate x --page-size 3 --model M", "--page-size: 3", "power of two")]
    [TestCase("generate x --temperature -1 --model /nowhere/at/all", "--temperature: -1")]
    [TestCase("generate x --max-new-tokens -3 --model /nowhere/at/all", "--max-new-tokens: -3")]
    [TestCase("generate x --top-k -5 --model /nowhere/at/all", "--top-k: -5")]
    [TestCase("generate x --min-new-tokens 9 --max-new-tokens 8 --model /nowhere", "--min-new-tokens: 9")]
    [TestCase("model pull", "REPO is missing")]
    [TestCase("model convert a", "OUT is missing")]
    [TestCase("generate x --context-length 4096 --model M", "--context-length", "2048")]
    [TestCase("generate x --max-total-tokens 2147483647 --model M", "max_total_tokens")]
    [TestCase("generate x --max-new-tokens 5000 --model M", "5001", "2048")]
    [TestCase("generate x --top-p 2 --model M", "--top-p: 2")]
    [TestCase("generate x --system s --model M", "--system", "template")]
    [TestCase("score --model M", "prompt")]
    [TestCase("score x --temperature -1 --model /nowhere/at/all", "--temperature: -1")]
    public async Task Bad_input_ends_with_one_message_and_exit_code_2(string line, params string[] parts)
    {
        string file = Path.Combine(EngineRig.Folder(), "config.json");
        string[] arguments = [.. line.Split(' ').Select(
            word => word == "M" ? EngineRig.Folder() : word == "F" ? file : word)];
        (await PdEngineRun.HereAsync(arguments)).AssertRefused(parts);
    }

    [Test]
    public async Task A_taken_port_is_refused_before_anything_is_loaded()
    {
        using TcpListener taken = new(IPAddress.Loopback, 0);
        taken.Start();
        string port = $"{((IPEndPoint)taken.LocalEndpoint).Port}";
        (await PdEngineRun.HereAsync("serve", "--port", port, "--model", "/nowhere/at/all"))
            .AssertRefused("--port", port, "in use");
    }

    [Test]
    public async Task An_instruction_set_that_the_machine_lacks_is_bad_input()
    {
        CpuIsa? missing = CpuIsaSupport.All.Where(isa => CpuIsaSupport.WhyNot(isa) is not null)
            .Select(isa => (CpuIsa?)isa).FirstOrDefault();
        if (missing is not { } lacking)
        {
            Assert.Ignore("this machine has every instruction set");
            return;
        }
        string name = CpuIsaSupport.NameOf(lacking);
        (await PdEngineRun.HereAsync(PdEngineRun.Tiny("generate", "x", "--isa", name))).AssertRefused(name);
    }

    [Test]
    public async Task A_bad_checkpoint_is_refused_with_its_reason()
    {
        string folder = TestFiles.Scratch();
        TinyModel.Folder(folder, TinyModel.Config());
        string weights = Path.Combine(folder, "model.safetensors");
        byte[] whole = File.ReadAllBytes(weights);

        await RefusedAsync("prompt", "64");
        File.WriteAllBytes(weights, whole[..(whole.Length / 2)]);
        await RefusedAsync("model.safetensors");
        File.WriteAllBytes(weights, [1, 2, 3]);
        await RefusedAsync("model.safetensors");
        File.WriteAllBytes(weights, whole);
        File.WriteAllText(
            Path.Combine(folder, "config.json"), TinyModel.Config("llama", ("hidden_size", "32")));
        await RefusedAsync("shape");
        File.WriteAllText(
            Path.Combine(folder, "config.json"), TinyModel.Config("llama", ("model_type", "\"bert\"")));
        await RefusedAsync("bert");
        File.Delete(Path.Combine(folder, "config.json"));
        await RefusedAsync(folder);

        async Task RefusedAsync(params string[] parts)
        {
            string ids = string.Join(',', Enumerable.Repeat(3, 100));
            PdEngineRun run = await PdEngineRun.HereAsync(
                "generate", "--input-ids", ids, "--model", folder, "--max-total-tokens", "256");
            run.AssertRefused(parts);
        }
    }

    [Test]
    public async Task A_prompt_file_must_be_text()
    {
        string file = Path.Combine(TestFiles.Scratch(), "prompt.txt");
        File.WriteAllBytes(file, [0x41, 0xFF, 0xFE]);
        (await PdEngineRun.HereAsync(PdEngineRun.Tiny("generate", "--prompt-file", file)))
            .AssertRefused("--prompt-file", "not UTF-8");
        if (File.Exists("/dev/zero"))
        {
            (await PdEngineRun.HereAsync(PdEngineRun.Tiny("generate", "--prompt-file", "/dev/zero")))
                .AssertRefused("/dev/zero", "64 MiB");
        }
        File.WriteAllText(file, "é", new System.Text.UTF8Encoding(encoderShouldEmitUTF8Identifier: true));
        PdEngineRun read = await PdEngineRun.HereAsync(
            PdEngineRun.Tiny("generate", "--prompt-file", file, "--max-new-tokens", "1"));
        Assert.That(read.ExitCode, Is.Zero, read.Error);
        Assert.That(read.Error, Does.Contain("prompt 2 tokens"));
    }

    [TestCase("--help", "generate")]
    [TestCase("", "score")]
    [TestCase("generate --help", "--max-new-tokens")]
    public async Task Help_is_shown_where_asked_for_or_where_nothing_is_asked(string line, string part)
    {
        PdEngineRun run = await PdEngineRun.HereAsync(line.Split(' ', StringSplitOptions.RemoveEmptyEntries));
        Assert.That(run.ExitCode, Is.Zero);
        Assert.That(run.Out, Does.Contain(part).And.Not.Contain("PdEngine.Host"));
    }

    [Test]
    public async Task A_prompt_that_looks_like_a_flag_goes_after_two_dashes()
    {
        PdEngineRun run = await PdEngineRun.HereAsync(
            [.. PdEngineRun.Tiny("generate", "--max-new-tokens", "1"), "--", "--frob"]);
        Assert.That(run.Error, Does.Contain("prompt 6 tokens"));
        Assert.That(run.ExitCode, Is.Zero);
    }

    [Test]
    public async Task The_version_is_asked_for()
    {
        PdEngineRun run = await PdEngineRun.ProcessAsync([], "--version");
        Assert.That(run.Out, Does.Match(@"^\d+\.\d+\.\d+"));
        Assert.That(run.ExitCode, Is.Zero);
    }

    [Test]
    public async Task Random_weights_are_made_on_the_spot()
    {
        PdEngineRun run = await PdEngineRun.ProcessAsync(
            [], "generate", "--model", "random:tiny", "Hello", "--max-new-tokens", "16", "--max-total-tokens",
            "4096");
        Assert.That(run.ExitCode, Is.Zero, run.Error);
        Assert.That(run.Out, Does.EndWith("\n"));
        Assert.That(run.Error, Does.Contain("loaded").And.Contain("prompt 5 tokens (0 cached)")
            .And.Contain("output 16 tokens at").And.Contain("ended by length"));
    }

    [Test]
    public async Task A_prompt_on_standard_input_is_the_prompt_as_an_argument(
        [Values("-", "--prompt-file -")] string how)
    {
        PdEngineRun argument = await PdEngineRun.HereAsync(
            PdEngineRun.Tiny("generate", "né\n", "--max-new-tokens", "8"));
        PdEngineRun piped = await PdEngineRun.ProcessAsync(
            "né\n"u8.ToArray(), PdEngineRun.Tiny(["generate", .. how.Split(' '), "--max-new-tokens", "8"]));
        Assert.That(piped.ExitCode, Is.Zero, piped.Error);
        Assert.That(piped.Out, Is.EqualTo(argument.Out));
    }

    [Test]
    public async Task Json_holds_the_whole_answer()
    {
        PdEngineRun run = await PdEngineRun.HereAsync(PdEngineRun.Tiny(
            "generate", "Hi", "--json", "--logprobs", "--max-new-tokens", "5", "--ignore-eos", "--top-k",
            "-1",
            "--frequency-penalty", "-1"));
        Assert.That(run.ExitCode, Is.Zero, run.Error);
        JsonElement answer = PdEngineRun.Json(run.Out);
        JsonElement meta = answer.GetProperty("meta_info");
        Assert.That(answer.GetProperty("output_ids").GetArrayLength(), Is.EqualTo(5));
        Assert.That(meta.GetProperty("prompt_tokens").GetInt32(), Is.EqualTo(2));
        Assert.That(meta.GetProperty("output_token_logprobs").GetArrayLength(), Is.EqualTo(5));
        Assert.That(meta.GetProperty("finish_reason").GetProperty("type").GetString(), Is.EqualTo("length"));
    }

    [Test]
    public async Task Scores_are_the_input_log_probs_of_generate()
    {
        PdEngineRun table = await PdEngineRun.HereAsync(PdEngineRun.Tiny("score", "Hello"));
        Assert.That(table.Out.TrimEnd().Split('\n'), Has.Length.EqualTo(5));
        PdEngineRun byText = await PdEngineRun.HereAsync(PdEngineRun.Tiny("score", "Hello", "--json"));
        string ids = string.Join(',', "Hello".Select(letter => letter + 2));
        PdEngineRun byIds =
            await PdEngineRun.HereAsync(PdEngineRun.Tiny("score", "--input-ids", ids, "--json"));
        Assert.That(byIds.Out, Is.EqualTo(byText.Out));
        (_, JsonElement[] answers, _) = await PdEngineRun.BatchAsync("""
            {"text":"Hello","return_logprob":true,"logprob_start_len":0,"return_text_in_logprobs":true,
            """.Trim() + """
            "sampling_params":{"max_new_tokens":3}}
            """);
        Assert.That(
            PdEngineRun.Json(byText.Out).GetProperty("input_token_logprobs").GetRawText(),
            Is.EqualTo(answers[0].GetProperty("meta_info").GetProperty("input_token_logprobs").GetRawText()));
    }
}
