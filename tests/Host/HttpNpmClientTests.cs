using System.Diagnostics;

namespace PdEngine.Tests;

/// <summary>The npm client of OpenAI's, as it is published.</summary>
public sealed class HttpNpmClientTests
{
    private const string Version = "7.57.0";

    private static readonly string[] Script =
    [
        "Sure. ", "<tool_call>\n{\"name\": \"get_weather\", ",
        "\"arguments\": {\"city\": \"Paris\"}}\n</tool_call>",
    ];

    [Test]
    public async Task It_chats_streams_calls_a_tool_and_reads_log_probs()
    {
        string package = Client();
        await using HttpRig rig = await HttpRig.StartAsync(folder: ScriptedModel.Folder(Script));
        string program = Path.Combine(TestFiles.Scratch(), "client.mjs");
        await File.WriteAllTextAsync(program, Program.Replace("CLIENT", $"file://{package}/index.mjs"));
        ProcessStartInfo start = new("node", [program, $"{rig.Server.Address}v1"])
        {
            RedirectStandardOutput = true, RedirectStandardError = true,
        };
        using Process node = Process.Start(start)!;
        Task<string> output = node.StandardOutput.ReadToEndAsync();
        Task<string> error = node.StandardError.ReadToEndAsync();
        await PdEngineRun.WaitAsync(node);
        Assert.That(node.ExitCode, Is.Zero, await error);
        Assert.That((await output).Trim(), Is.EqualTo("done"), await error);
    }

    /// <summary>Its folder; the test is skipped where node or the package is not to be had.</summary>
    private static string Client()
    {
        try
        {
            using Process node = Process.Start(
                new ProcessStartInfo("node", "--version") { RedirectStandardOutput = true })!;
            node.WaitForExit();
        }
        catch (System.ComponentModel.Win32Exception missing)
        {
            Assert.Ignore($"node cannot be started: {missing.Message}");
        }
        string package = Path.GetDirectoryName(TestFiles.Npm("openai", Version, "package.json"))!;
        if (File.Exists(Path.Combine(package, "index.mjs")))
            return package;
        string archive = Directory.GetFiles(Path.GetDirectoryName(package)!, "*.tgz").Single();
        using Process tar = Process.Start("tar", ["-xzf", archive, "-C", Path.GetDirectoryName(package)!]);
        tar.WaitForExit();
        Assert.That(tar.ExitCode, Is.Zero);
        return package;
    }

    private const string Program = """
        import OpenAI from "CLIENT";
        import assert from "node:assert/strict";
        const client = new OpenAI({ apiKey: "none", baseURL: process.argv[2], maxRetries: 0 });
        const messages = [{ role: "user", content: "hi" }];
        const tools = [{ type: "function", function: { name: "get_weather", description: "d",
          parameters: { type: "object", properties: { city: { type: "string" } } } } }];

        const models = await client.models.list();
        const model = models.data[0].id;
        assert.equal((await client.models.retrieve(model)).id, model);

        const chat = await client.chat.completions.create({ model, messages, temperature: 0,
          logprobs: true, top_logprobs: 2, max_completion_tokens: 1 });
        assert.equal(chat.choices[0].message.content, "Sure. ");
        assert.equal(chat.choices[0].finish_reason, "length");
        assert.equal(chat.usage.completion_tokens, 1);
        const first = chat.choices[0].logprobs.content[0];
        assert.equal(first.token, "Sure. ");
        assert.deepEqual(first.bytes, [...new TextEncoder().encode("Sure. ")]);
        assert.ok(first.logprob <= 0 && first.logprob > -0.1);
        assert.equal(first.top_logprobs.length, 2);
        assert.equal(first.top_logprobs[0].token, "Sure. ");

        const stream = await client.chat.completions.create({ model, messages, temperature: 0, stream: true,
          stream_options: { include_usage: true } });
        let text = "", usage = null, reason = null;
        for await (const chunk of stream) {
          text += chunk.choices[0]?.delta?.content ?? "";
          reason = chunk.choices[0]?.finish_reason ?? reason;
          usage = chunk.usage ?? usage;
        }
        assert.ok(text.startsWith("Sure. <tool_call>"));
        assert.equal(reason, "stop");
        assert.equal(usage.completion_tokens, 4);

        const called = await client.chat.completions.create({ model, messages, tools, temperature: 0 });
        assert.equal(called.choices[0].finish_reason, "tool_calls");
        const call = called.choices[0].message.tool_calls[0];
        assert.equal(call.function.name, "get_weather");
        assert.deepEqual(JSON.parse(call.function.arguments), { city: "Paris" });

        const runner = client.chat.completions.stream({ model, messages, tools, temperature: 0 });
        const final = await runner.finalChatCompletion();
        assert.equal(final.choices[0].message.tool_calls[0].function.name, "get_weather");
        assert.deepEqual(JSON.parse(final.choices[0].message.tool_calls[0].function.arguments),
          { city: "Paris" });

        await client.chat.completions.create({ model, temperature: 0, max_tokens: 1, messages: [...messages,
          called.choices[0].message, { role: "tool", tool_call_id: call.id, content: "sunny" }] });

        const completion = await client.completions.create({ model, prompt: "a:", temperature: 0,
          max_tokens: 1, logprobs: 1 });
        assert.equal(completion.choices[0].text, "Sure. ");
        assert.equal(completion.choices[0].logprobs.tokens[0], "Sure. ");

        const refusal = await client.chat.completions.create({ model, messages, tool_choice: "required",
          tools }).catch(error => error);
        assert.ok(refusal instanceof OpenAI.BadRequestError);
        assert.equal(refusal.param, "tool_choice");
        console.log("done");
        """;
}
