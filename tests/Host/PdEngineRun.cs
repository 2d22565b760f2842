using System.Diagnostics;
using System.Text;
using System.Text.Json;
using PdEngine.Host;

namespace PdEngine.Tests;

/// <summary>What a run of <c>pdengine</c> came to.</summary>
/// <param name="ExitCode">0 done, 1 failed, 2 bad input.</param>
/// <param name="Out">Standard output.</param>
/// <param name="Error">Standard error.</param>
internal sealed record PdEngineRun(int ExitCode, string Out, string Error)
{
    /// <summary>Small, on the tiny checkpoint: what every verb that loads needs.</summary>
    public static string[] Tiny(params string[] arguments) =>
        [.. arguments, "--model", EngineRig.Folder(), "--max-total-tokens", "32768"];

    /// <summary>Runs in this process: quick, without standard input.</summary>
    public static async Task<PdEngineRun> HereAsync(params string[] arguments)
    {
        (TextWriter oldOut, TextWriter oldError) = (Console.Out, Console.Error);
        using StringWriter output = new(), error = new();
        try
        {
            Console.SetOut(output);
            Console.SetError(error);
            int exitCode = await CommandLine.RunAsync(arguments);
            return new(exitCode, output.ToString(), error.ToString());
        }
        finally
        {
            Console.SetOut(oldOut);
            Console.SetError(oldError);
        }
    }

    /// <summary>Runs the command itself, with bytes on its standard input.</summary>
    public static async Task<PdEngineRun> ProcessAsync(byte[] input, params string[] arguments)
    {
        using Process process = Start(arguments);
        Task<string> output = process.StandardOutput.ReadToEndAsync();
        Task<string> error = process.StandardError.ReadToEndAsync();
        await process.StandardInput.BaseStream.WriteAsync(input);
        process.StandardInput.Close();
        await WaitAsync(process);
        return new(process.ExitCode, await output, await error);
    }

    public static Process Start(params string[] arguments)
    {
        ProcessStartInfo start = new(Path.Combine(AppContext.BaseDirectory, "PdEngine.Host"), arguments)
        {
            RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true,
            StandardOutputEncoding = new UTF8Encoding(false), StandardErrorEncoding = new UTF8Encoding(false),
        };
        return Process.Start(start)!;
    }

    public static async Task WaitAsync(Process process)
    {
        using CancellationTokenSource patience = new(TimeSpan.FromMinutes(10));
        try
        {
            await process.WaitForExitAsync(patience.Token);
        }
        catch (OperationCanceledException)
        {
            process.Kill();
            Assert.Fail("pdengine hangs");
        }
    }

    /// <summary>Answers a batch of lines; asserts that every answer is one line of valid JSON.</summary>
    public static async Task<(int ExitCode, JsonElement[] Answers, string Error)> BatchAsync(
        byte[] lines, params string[] arguments)
    {
        string folder =
            Path.Combine(Path.GetTempPath(), "pdengine-tests", $"{Environment.ProcessId}", "batch");
        Directory.CreateDirectory(folder);
        string input = Path.Combine(folder, $"{Guid.NewGuid():N}.jsonl"), output = $"{input}.out";
        await File.WriteAllBytesAsync(input, lines);
        PdEngineRun run = await HereAsync(
            Tiny(["generate", "--input", input, "--output", output, .. arguments]));
        Assert.That(run.Out, Is.Empty);
        string text = new UTF8Encoding(false, true).GetString(await File.ReadAllBytesAsync(output));
        Assert.That(text, text.Length == 0 ? Is.Empty : Does.EndWith("\n"));
        JsonElement[] answers = [.. text.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(Json)];
        File.Delete(input);
        File.Delete(output);
        return (run.ExitCode, answers, run.Error);
    }

    public static Task<(int ExitCode, JsonElement[] Answers, string Error)> BatchAsync(
        string lines, params string[] arguments) => BatchAsync(Encoding.UTF8.GetBytes(lines), arguments);

    public static JsonElement Json(string text)
    {
        using JsonDocument document = JsonDocument.Parse(text);
        return document.RootElement.Clone();
    }

    /// <summary>Bad input: exit code 2, nothing on standard output, one message that holds every
    /// part.</summary>
    public void AssertRefused(params string[] parts)
    {
        Assert.That(ExitCode, Is.EqualTo(CommandLine.BadInput), Error);
        Assert.That(Out, Is.Empty);
        string[] messages =
            [.. Error.Split('\n').Where(line => line.StartsWith("pdengine: ", StringComparison.Ordinal))];
        Assert.That(messages, Has.Length.EqualTo(1), Error);
        foreach (string part in parts)
            Assert.That(messages[0], Does.Contain(part));
        Assert.That(Error, Does.Not.Contain("   at "));
    }
}
