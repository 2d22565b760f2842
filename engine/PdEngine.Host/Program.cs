using System.Text;
using PdEngine.Host;

// Whatever the locale: answers are UTF-8, without a byte order mark.
Console.OutputEncoding = new UTF8Encoding(encoderShouldEmitUTF8Identifier: false);
return await CommandLine.RunAsync(args);
