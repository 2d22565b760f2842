using System.Text;
using System.Text.Json;
using PdEngine.Host;

namespace PdEngine.Tests;

/// <summary>
/// Spoils lines of a batch at random. Each is read to a request or refused with a typed error, as the host
/// answers it; anything else is a failure.
/// </summary>
internal sealed class GenerateBodyFuzz
{
    private static readonly string[] Lines =
    [
        """
        {"id":[1,{"a":null}],"rid":"r","input_ids":[3,4],"return_logprob":true,"logprob_start_len":1,
        "top_logprobs_num":2,"sampling_params":{"temperature":0.5,"top_p":0.9,"top_k":7,"min_p":0.1,"n":3,
        "sampling_seed":-1,"logit_bias":{"8":-1.5},"stop":["x","\u00e9"],"stop_token_ids":[5],
        "top_p_mode":"joint","logprob_mode":"raw"}}
        """,
        """
        {"id":"é","messages":[{"role":"user","content":"hi"}],"tools":[{}],"chat_template_kwargs":{"a":1},
        "parse_added_tokens":false,"sampling_params":{"max_new_tokens":9,"min_new_tokens":2,"ignore_eos":true,
        "stop":"x","no_stop_trim":true,"repetition_penalty":1.1,"frequency_penalty":0.2}}
        """,
        """
        {"text":"hello \ud83d\ude00","sampling_params":null,"priority":3,"lora_path":null,"extra_key":"x",
        "session_id":"s","routing_key":"k"}
        """,
        """
        {"input_ids":[3,40],"no_logs":true,"custom_labels":{"a":"b"},"conversation_id":"c","stream":false,
        "bootstrap_room":7,"validation_time":1.5,"extra_key":"k"}
        """,
    ];

    private static readonly string[] Fragments =
    [
        "{", "}", "[", "]", "\"", ",", ":", "null", "true", "-1", "0", "1e999", "1e-999",
        "99999999999999999999",
        "1.5", "\\ud800", "\\u0000", "\"\"", "{}", "[[[[[[[[", "\"\\udfff\":1,", "\"id\":2,", "\"text\":3,",
        "\"n\":129,", "\r", "\t", "\\", "é", "2147483648", "-0",
    ];

    /// <summary>Reads <paramref name="count"/> spoilt lines; returns how many were refused.</summary>
    public static int Run(int count, int seed)
    {
        Random random = new(seed);
        int refused = 0;
        for (int index = 0; index < count; index++)
        {
            byte[] spoilt = SpoiltLine(index, random);
            try
            {
                using JsonDocument document = JsonDocument.Parse(spoilt);
                GenerateBody.IdOf(document.RootElement);
                GenerateBody.Read(document.RootElement);
            }
            catch (Exception refusal) when (refusal is JsonException or RequestException)
            {
                Assert.That(refusal.Message, Has.Length.LessThan(1000), $"seed {seed}, mutation {index}");
                refused++;
            }
            catch (Exception fault)
            {
                Assert.Fail($"seed {seed}, mutation {index}: {fault}\n{Convert.ToBase64String(spoilt)}");
            }
        }
        return refused;
    }

    /// <summary>One of the lines in turn, spoilt; it may hold any byte.</summary>
    public static byte[] SpoiltLine(int index, Random random)
    {
        string line = Lines[index % Lines.Length].ReplaceLineEndings("");
        List<byte> bytes = [.. Encoding.UTF8.GetBytes(line)];
        for (int edits = random.Next(1, 3); edits > 0; edits--)
        {
            int at = random.Next(bytes.Count);
            switch (random.Next(8))
            {
                case 0:
                    bytes[at] = (byte)random.Next(256);
                    break;
                case 1:
                    bytes.RemoveRange(at, Math.Min(random.Next(1, 12), bytes.Count - at - 1));
                    break;
                case 2:
                    bytes.InsertRange(at, Encoding.UTF8.GetBytes(Fragments[random.Next(Fragments.Length)]));
                    break;
                default:
                    ReplaceValue(bytes, at, Fragments[random.Next(Fragments.Length)]);
                    break;
            }
        }
        return [.. bytes];
    }

    /// <summary>Puts a fragment where the next value is, so that the line often stays JSON.</summary>
    private static void ReplaceValue(List<byte> bytes, int at, string fragment)
    {
        int start = bytes.IndexOf((byte)':', at) + 1;
        if (start == 0)
            return;
        int end = start;
        while (end < bytes.Count && !",}]"u8.Contains(bytes[end]))
            end++;
        bytes.RemoveRange(start, end - start);
        bytes.InsertRange(start, Encoding.UTF8.GetBytes(fragment));
    }
}
