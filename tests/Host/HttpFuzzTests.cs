using System.Text;
using System.Text.Json;

namespace PdEngine.Tests;

/// <summary>Bodies spoilt at random: each is answered or refused, and nothing is left behind.</summary>
public sealed class HttpFuzzTests
{
    private static readonly string[] Chats =
    [
        """
        {"model":"m","messages":[{"role":"user","content":"hi"}],"max_tokens":3,"n":2,"seed":-1,"stop":["x"],
        "logprobs":true,"top_logprobs":2,"logit_bias":{"8":-1.5},"user":"u","stream_options":null,"top_p":0.9}
        """,
        """
        {"messages":[{"role":"assistant","content":null,"tool_calls":[{"id":"1","type":"function",
        "function":{"name":"f","arguments":"{\"x\":1}"}}]},{"role":"tool","content":[{"type":"text",
        "text":"\u00e9"}]}],"max_completion_tokens":2,"tools":[{"type":"function","function":{"name":"f"}}],
        "tool_choice":"auto","stream":true,"stream_options":{"include_usage":true}}
        """,
    ];

    private static readonly string[] Others =
    [
        "/tokenize", "/detokenize", "/abort_request", "/pause_generation", "/continue_generation",
        "/release_memory_occupation", "/resume_memory_occupation", "/update_weights_from_disk",
        "/update_weights_from_tensor", "/update_weight_version", "/weights_checker", "/login",
        "/v1/completions",
    ];

    private static readonly string[] Names =
    [
        "prompt", "tokens", "rid", "mode", "tags", "model_path", "new_version", "action", "key",
        "serialized_named_tensors", "weight_version", "max_tokens",
    ];

    private static readonly string[] Values =
    [
        "null", "1", "\"a\"", "[]", "{}", "[1]", "[[1],[]]", "[\"a\"]", "true", "-1", "\"\\ud800\"", "1e400",
        "\"../..\"",
    ];

    [Test]
    public async Task Spoilt_bodies_never_fail_the_server()
    {
        const int seed = 3, count = 400;
        await using HttpRig rig = await HttpRig.StartAsync();
        Random random = new(seed);
        int refused = 0;
        for (int index = 0; index < count; index++)
        {
            bool isChat = index % 2 == 1;
            byte[] body = isChat
                ? Spoilt(Chats[index / 2 % Chats.Length].ReplaceLineEndings(""), random)
                : GenerateBodyFuzz.SpoiltLine(index / 2, random);
            string path = isChat ? "/v1/chat/completions" : "/generate";
            refused += await PostAsync(rig, path, body, $"{seed}/{index}");
        }
        Assert.That(refused, Is.InRange(count / 20, count * 49 / 50), $"seed {seed}");
        await rig.IsIdleAsync();
        Assert.That(rig.Log.ToString(), Does.Not.Contain("\"fault\""));
    }

    [Test]
    public async Task Other_routes_take_any_body()
    {
        const int seed = 4;
        await using HttpRig rig = await HttpRig.StartAsync();
        Random random = new(seed);
        foreach (string path in Others)
        {
            for (int index = 0; index < 12; index++)
            {
                StringBuilder body = new("{");
                for (int i = random.Next(4); i >= 0; i--)
                {
                    string name = Names[random.Next(Names.Length)];
                    body.Append($"\"{name}\":{Values[random.Next(Values.Length)]}");
                    body.Append(i == 0 ? "" : ",");
                }
                body.Append('}');
                await PostAsync(rig, path, Encoding.UTF8.GetBytes(body.ToString()), $"{seed}/{path}/{index}");
            }
            await rig.PostAsync("/resume_memory_occupation", "{}");
            await rig.PostAsync("/continue_generation", "{}");
        }
        Assert.That(rig.Log.ToString(), Does.Not.Contain("\"fault\""));
        await rig.PostAsync("/generate", """{"text":"a","sampling_params":{"max_new_tokens":1}}""");
    }

    /// <summary>1 where it was refused.</summary>
    private static async Task<int> PostAsync(HttpRig rig, string path, byte[] body, string place)
    {
        using ByteArrayContent content = new(body);
        content.Headers.ContentType = new("application/json");
        using HttpResponseMessage answer = await rig.Client.PostAsync(path, content);
        string text = await answer.Content.ReadAsStringAsync();
        int status = (int)answer.StatusCode;
        Assert.That(status, Is.EqualTo(200).Or.EqualTo(400).Or.EqualTo(401),
            $"{place} {path}: {text}\n{Encoding.UTF8.GetString(body)}");
        if (status == 200)
            return 0;
        JsonElement error = PdEngineRun.Json(text);
        Assert.That(
            error.TryGetProperty("error", out _) || error.TryGetProperty("message", out _), Is.True, text);
        Assert.That(text, Has.Length.LessThan(2000));
        return 1;
    }

    private static byte[] Spoilt(string line, Random random)
    {
        string[] fragments =
        [
            "{", "}", "[", "\"", ",", "null", "true", "-1", "0", "1e999", "\"\\ud800\"", "\"\"", "{}", "[[[",
        ];
        StringBuilder body = new(line);
        for (int edits = random.Next(1, 3); edits > 0; edits--)
        {
            int at = line.IndexOf(':', random.Next(line.Length)) + 1;
            if (at == 0 || at >= body.Length)
                continue;
            int end = at;
            while (end < body.Length && body[end] is not (',' or '}' or ']'))
                end++;
            body.Remove(at, end - at).Insert(at, fragments[random.Next(fragments.Length)]);
        }
        return Encoding.UTF8.GetBytes(body.ToString());
    }
}
