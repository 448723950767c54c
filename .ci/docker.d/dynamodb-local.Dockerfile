# Stands in for amazon/dynamodb-local where no registry gives it: the same user, folder, entry point and command.
FROM scratch
ADD java.tar /
RUN useradd --uid 1000 --create-home dynamodblocal
COPY --chown=1000:1000 jars /home/dynamodblocal
WORKDIR /home/dynamodblocal
USER dynamodblocal
EXPOSE 8000
ENTRYPOINT ["java"]
CMD ["-jar", "DynamoDBLocal.jar", "-inMemory"]
