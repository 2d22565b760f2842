using System.Diagnostics;
using System.Text;

namespace PdEngine.Tests;

/// <summary>The command among others: interrupted, and at the head of a pipe that closes.</summary>
public sealed class CommandSignalTests
{
    [Test]
    public async Task An_interrupt_ends_a_batch_cleanly_and_keeps_its_answers()
    {
        string output = Path.Combine(TestFiles.Scratch(), "out.jsonl");
        using Process process = PdEngineRun.Start(
            PdEngineRun.Tiny("generate", "--input", "-", "--output", output));
        Task<string> error = process.StandardError.ReadToEndAsync();
        await process.StandardInput.BaseStream.WriteAsync(
            """{"input_ids":[5],"sampling_params":{"max_new_tokens":2}}"""u8.ToArray());
        await process.StandardInput.BaseStream.WriteAsync("\n"u8.ToArray());
        await process.StandardInput.BaseStream.FlushAsync();
        Assert.That(() => File.Exists(output) && new FileInfo(output).Length > 0, Is.True.After(60_000, 20));
        Interrupt(process);
        await PdEngineRun.WaitAsync(process);
        Assert.That(process.ExitCode, Is.EqualTo(1), await error);
        Assert.That(await error, Does.Contain("1 lines answered").And.Contain("pdengine: interrupted"));
        Assert.That(await error, Does.Not.Contain("   at "));
        Assert.That(File.ReadAllText(output), Does.StartWith("{").And.EndWith("}\n"));
    }

    [Test]
    public async Task An_interrupt_ends_a_generation_cleanly()
    {
        using Process process = PdEngineRun.Start(PdEngineRun.Tiny(
            "generate", "x", "--max-new-tokens", "2000", "--ignore-eos", "--backend", "reference"));
        Task<string> error = process.StandardError.ReadToEndAsync();
        await process.StandardOutput.BaseStream.ReadExactlyAsync(new byte[1]);
        Interrupt(process);
        await process.StandardOutput.ReadToEndAsync();
        await PdEngineRun.WaitAsync(process);
        Assert.That(await error, Does.Not.Contain("   at "));
        // A run that was done before the signal came is done, or is on its way out when it comes.
        if ((await error).Contains("interrupted"))
            Assert.That(process.ExitCode, Is.EqualTo(1));
        else
            Assert.That(process.ExitCode, Is.Zero.Or.EqualTo(128 + 15), await error);
    }

    [TestCase("")]
    [TestCase("--json")]
    public async Task A_reader_that_leaves_gets_no_stack_trace(string flag)
    {
        using Process process = PdEngineRun.Start(PdEngineRun.Tiny(
            ["generate", "x", "--max-new-tokens", "500",
                .. flag.Split(' ', StringSplitOptions.RemoveEmptyEntries)]));
        process.StandardOutput.Close();
        string error = await process.StandardError.ReadToEndAsync();
        await PdEngineRun.WaitAsync(process);
        Assert.That(error, Does.Not.Contain("   at ").And.Not.Contain("Unhandled"));
        Assert.That(process.ExitCode, Is.Zero.Or.EqualTo(1), error);
    }

    [Test]
    public async Task A_batch_whose_answers_cannot_be_written_ends_with_the_reason()
    {
        if (!File.Exists("/dev/full"))
            Assert.Ignore("there is no /dev/full here");
        string input = Path.Combine(TestFiles.Scratch(), "in.jsonl");
        StringBuilder lines = new();
        for (int i = 0; i < 2000; i++)
            lines.Append("""{"input_ids":[5],"sampling_params":{"max_new_tokens":1}}""").Append('\n');
        File.WriteAllText(input, lines.ToString());
        PdEngineRun run = await PdEngineRun.HereAsync(
            PdEngineRun.Tiny("generate", "--input", input, "--output", "/dev/full"));
        Assert.That(run.ExitCode, Is.EqualTo(1), run.Error);
        Assert.That(run.Error, Does.Contain("pdengine: ").And.Not.Contain("   at "));
    }

    /// <summary>SIGTERM: SIGINT is ignored by everything that a shell started in the background.</summary>
    private static void Interrupt(Process process)
    {
        using Process kill = Process.Start("kill", ["-TERM", $"{process.Id}"]);
        kill.WaitForExit();
    }
}
